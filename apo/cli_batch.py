"""`apo batch`: many runs from one file, here or on a cluster, and a summary of what they came to."""

import contextlib
import csv
import io
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apo import cli_options as opt
from apo.errors import ConfigError, ServerError

if TYPE_CHECKING:
    from apo.batch import Batch
    from apo.children import Children
    from apo.cluster.scheduling import Cluster
    from apo.statistics import Interval
    from apo.store.runs import RunFolder
    from apo.summary import Group, Line

File = Annotated[Path, typer.Argument(help="A YAML file: tasks, seeds, settings, common, parallel.")]
Parallel = Annotated[
    int | None,
    typer.Option(min=1, max=64, help="Runs at a time [default: the file's; with --ray, all that have room]."),
]
Ray = Annotated[
    str | None, typer.Option(help="Do the runs on the Ray cluster at this address: host:port, or `auto`.")
]
RayCpus = Annotated[float, typer.Option(min=0, help="CPUs of its machine that a run takes.")]
RayGpus = Annotated[float, typer.Option(min=0, help="GPUs of its machine that a run takes.")]


def batch(
    file: File,
    results: opt.Results = opt.RESULTS,
    parallel: Parallel = None,
    ray: Ray = None,
    ray_cpus: RayCpus = 1.0,
    ray_gpus: RayGpus = 0.0,
    as_json: opt.AsJson = False,
) -> None:
    """Do every run that a batch file asks for; the same command again goes on where it was.

    The runs lie in a folder of RESULTS named after the batch, with summary.json and summary.csv. Exit
    code 1 if any run failed.
    """
    from apo.batch import read_batch
    from apo.children import Children
    from apo.store import runs

    asked = read_batch(file)
    # What runs on a cluster take of a machine Ray sees to.
    _check(asked, 1 if ray is not None else parallel or asked.parallel)
    home = results / asked.name
    _check_same(asked, home)
    with _cluster(ray, ray_cpus, ray_gpus, parallel) as cluster:
        runs.check_writable(home)
        folders = [runs.named(home, cell.name, cell.spec) for cell in asked.cells]
        for folder, cell in zip(folders, asked.cells, strict=True):
            folder.move(cell.spec)
        problems: dict[str, str] = {}
        try:
            problems = _run(asked, folders, cluster or Children(parallel or asked.parallel))
        except KeyboardInterrupt:
            print("apo: interrupted; the same command goes on with the batch.", file=sys.stderr)
            raise typer.Exit(130) from None
        finally:
            lines, groups = _summarize(asked, folders, problems, home)
    if as_json:
        print((home / "summary.json").read_text(encoding="utf-8"), end="")
    else:
        _show(lines, groups)
        print(f"Summary: {home / 'summary.json'} and summary.csv")
    if any(line.state != "finished" for line in lines):
        raise typer.Exit(1)


def _check(asked: "Batch", parallel: int) -> None:
    """Refuse what cannot work, in any of the runs, before the first begins."""
    from apo import runner
    from apo.loading import load

    for cell in asked.cells:
        if parallel > 1 and cell.spec.model.engine == "inprocess":
            raise ConfigError(
                f"{cell.name}: with the engine `inprocess` each run loads the model for itself, so "
                f"{parallel} runs at a time would need its memory as often. Leave `engine` out, so that they "
                "share a server, or let one run at a time (parallel: 1)."
            )
        try:
            runner.check(cell.spec, load(cell.spec.task))
        except ConfigError as error:
            raise ConfigError(f"{cell.name}: {error}") from error


def _check_same(asked: "Batch", home: Path) -> None:
    """Refuse, before anything is made, other runs under the names of those that there are."""
    from apo.resuming import check_spec
    from apo.store.runs import RunFolder

    for cell in asked.cells:
        folder = RunFolder(home / cell.name)
        if folder.exists():
            check_spec(folder.spec(), cell.spec, cell.name)


@contextlib.contextmanager
def _cluster(
    address: str | None, cpus: float, gpus: float, parallel: int | None
) -> "Iterator[Cluster | None]":
    """The cluster that does the runs, or None where they are done here."""
    if address is None:
        yield None
        return
    from apo.cluster.scheduling import Share, connected

    with connected(address, Share(cpus, gpus), parallel) as cluster:
        if not cluster.has_room():
            print("apo: no machine of the cluster is large enough; the runs wait for one.", file=sys.stderr)
        yield cluster


def _run(asked: "Batch", folders: "list[RunFolder]", workers: "Children | Cluster") -> dict[str, str]:
    """Do what is left; the problems of runs that failed, by their names."""
    from apo.children import Children

    left = [folder for folder in folders if folder.history().finished is None]
    problems: dict[str, str] = {}
    done = len(folders) - len(left)

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with ExitStack() as servers:
        if isinstance(workers, Children):
            _hold_servers(asked, {folder.name for folder in left}, servers)
        for folder, problem in workers.run(left, tell):
            done += 1
            if problem:
                problems[folder.name] = problem
            tell(f"[{done}/{len(folders)}] {folder.name}: {problem or 'finished'}")
    return problems


def _hold_servers(asked: "Batch", left: set[str], servers: ExitStack) -> None:
    """Hold servers from the first run to the last, so that each is started once for all of them.

    A run that may choose its engine finds the server running, and shares it. One that does not answer now is
    found again, and told, by the runs that need it.
    """
    from apo.connection import connect
    from apo.progress import Lines

    specs = [cell.spec for cell in asked.cells if cell.name in left]
    models = [m for spec in specs for m in (spec.model, spec.proposal_model) if m]
    for model in dict.fromkeys(m for m in models if m.engine != "inprocess"):
        with contextlib.suppress(ServerError):
            servers.enter_context(connect(replace(model, engine="server"), Lines().waiting))


def _summarize(
    asked: "Batch", folders: "list[RunFolder]", problems: dict[str, str], home: Path
) -> "tuple[list[Line], list[Group]]":
    """Fold every run, and write summary.json and summary.csv."""
    from apo.files import write_private
    from apo.summary import flat, groups, line

    histories = {}
    for folder in folders:
        try:
            histories[folder.name] = folder.history()
        except ConfigError as error:
            problems.setdefault(folder.name, str(error))
    lines = [line(cell, histories.get(cell.name), problems.get(cell.name, "")) for cell in asked.cells]
    found = groups(asked.cells, histories)
    content = {"batch": asked.name, "runs": [asdict(x) for x in lines], "groups": [asdict(x) for x in found]}
    write_private(home / "summary.json", (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    rows = [flat(one) for one in lines]
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    write_private(home / "summary.csv", text.getvalue().encode())
    return lines, found


def _show(lines: "list[Line]", groups: "list[Group]") -> None:
    from apo import tables, words

    for one in lines:
        if one.state != "finished":
            print(words.printable(f"{one.run}: {one.state}. {one.problem}"))
    rows = [
        (
            g.task,
            g.setting,
            str(g.runs),
            _short(g.test, ".1f"),
            _short(g.difference, "+.1f"),
            f"{100 * g.lowest:.1f} to {100 * g.highest:.1f}",
            str(g.calls),
            words.duration(g.seconds),
        )
        for g in groups
    ]
    columns = ("task", "setting", "runs", "sealed test, %", "Δ seed, points", "range", "calls", "time")
    tables.show(columns, rows, wrap=False)


def _short(interval: "Interval", form: str) -> str:
    """A share in hundredths with its interval: `67.5 (56.2 to 77.5)`."""
    low, high = (format(100 * end, form) for end in (interval.low, interval.high))
    return f"{100 * interval.mean:{form}} ({low} to {high})"
