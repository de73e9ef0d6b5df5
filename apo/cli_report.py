"""`apo report`: a run as a page with plots, to keep and to send around."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apo.cli_options import RESULTS, Results, RunName

if TYPE_CHECKING:
    from apo.history import History
    from apo.task import Example

Output = Annotated[
    Path | None, typer.Option(help="Folder to write to [default: report/ in the run's folder].")
]


def report(run: RunName = "last", results: Results = RESULTS, output: Output = None) -> None:
    """Write a run as one HTML page with its plots, finished or still going on."""
    from apo.errors import ConfigError
    from apo.reporting.account import fold, tell
    from apo.reporting.folder import write
    from apo.store.runs import find
    from apo.transfer import read

    folder = find(results, run)
    told = fold(folder.records())
    history = told.history
    if history.started is None:
        raise ConfigError(
            f"The run {folder.name} has not begun, so there is nothing to report. "
            f"Begin it with: apo resume {folder.name}"
        )
    sealed = _sealed_rows(history)
    document = tell(told, folder.name, sealed, folder.is_stopped(history), read(folder.path))
    page, *plots = write(document, folder.path / "report" if output is None else output)
    print(f"Report: {page}")
    if plots:
        print(f"Plots beside it: {', '.join(path.name for path in plots)}")


def _sealed_rows(history: "History") -> "Mapping[str, Example]":
    """The rows of the sealed test by id, once it is scored; none where the task is not at hand or another."""
    from apo.errors import ApoError
    from apo.loading import load

    if history.tested is None:
        return {}
    try:
        task = load(history.spec.task)
    except ApoError:
        return {}
    return {row.id: row for row in task.test} if task.fingerprint == history.task.fingerprint else {}
