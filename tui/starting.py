"""From what a person chose to a run that goes on in the background."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from subprocess import Popen

from apo import plugins, words
from apo.errors import ConfigError, unknown
from apo.forecasting import least_calls
from apo.launching import launch
from apo.loading import load
from apo.options import NONE, RunOptions
from apo.store import runs
from apo.store.runs import RunFolder
from apo.task import Task

KINDS = {"proposer": "proposers", "selector": "exemplars"}


def options(written: Mapping[str, str], eager: bool = False) -> RunOptions:
    """The options of a run from the fields of a form; an empty field means the default.

    Raises:
        ConfigError: naming the field that does not fit.
    """
    given = {name: text.strip() for name, text in written.items() if text.strip()}
    named = {name: _names(name, given.pop(name)) for name in KINDS if name in given}
    urls = tuple(given.pop("url", "").replace(",", " ").split())
    numbers = {name: _number(name, given.pop(name)) for name in ("calls", "minutes") if name in given}
    calls, minutes = numbers.get("calls"), numbers.get("minutes")
    if "data" in given:
        given.pop("task", None)
    return RunOptions(
        **{"task": None, **given},  # type: ignore[arg-type]
        calls=None if calls is None else int(calls),
        minutes=minutes,
        proposer=named.get("proposer"),
        selector=named.get("selector"),
        url=urls,
        eager=eager,
    )


def _names(field: str, text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    known = plugins.names(KINDS[field])
    for one in found:
        if one.partition(":")[0] not in known and found != (NONE,):
            raise unknown(field, one.partition(":")[0], [*known, NONE])
    return found


def _number(field: str, text: str) -> float:
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        value = -1.0
    if not 0 < value < 1e12 or (field == "calls" and value < 1):
        raise ConfigError(f"{field} must be a number above zero, not {text!r}.")
    return value


def outlook(task: Task, chosen: RunOptions) -> str:
    """What is known of a run before anything is asked: rows, and the least that it takes.

    Raises:
        ConfigError: the budget does not even pay for seed and sealed test.
    """
    least, calls = least_calls(task), chosen.spec().budget.calls
    if calls is not None and calls < least:
        raise ConfigError(f"{calls} calls are too few: seed prompt and sealed test alone take {least}.")
    rows = f"{len(task.train)} train, {len(task.dev)} dev, {len(task.test)} test rows"
    return f"{task.name}: {rows}. Seed and sealed test take {least} calls.\n{words.power(len(task.dev))}"


def begin(results: Path, chosen: RunOptions) -> tuple[RunFolder, Popen[bytes]]:
    """Make a run's folder and start its process.

    Raises:
        ConfigError: the task cannot be loaded, the budget is too small, or the folder cannot be written.
    """
    spec = chosen.spec()
    task = load(spec.task)
    outlook(task, chosen)
    folder = runs.create(results, task.name, spec)
    return folder, launch(folder)


def arguments(chosen: RunOptions) -> list[str]:
    """The same options as arguments of `apo run`."""
    found = [] if chosen.task is None else [chosen.task]
    for field in fields(chosen):
        value = getattr(chosen, field.name)
        if field.name == "task" or value == (None if field.default is MISSING else field.default):
            continue
        name = f"--{field.name.replace('_', '-')}"
        if isinstance(value, bool):
            found.append(name)
        else:
            for one in value if isinstance(value, tuple) else (value,):
                found += [name, f"{one:g}" if isinstance(one, float) else str(one)]
    return found
