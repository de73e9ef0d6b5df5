"""`apo resume` and `apo send`: go on with a run, and steer one that goes on."""

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apo.cli_options import RESULTS, AsJson, EngineName, Results, RunName
from apo.errors import ConfigError

if TYPE_CHECKING:
    from apo.commands import Order
    from apo.history import History


class Steer(StrEnum):
    """What can be sent to a run."""

    pause = "pause"
    resume = "resume"
    stop = "stop"
    add = "add"
    promote = "promote"
    ban = "ban"
    budget = "budget"


def resume(
    run: RunName = "last",
    engine: EngineName | None = None,
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was interrupted, from exactly where its journal ends."""
    from apo import runner
    from apo.cli_run import execute
    from apo.loading import load
    from apo.store.runs import find

    folder = find(results, run)
    spec = folder.spec()
    if engine is not None:
        spec = replace(spec, model=replace(spec.model, engine=engine))
    task = load(spec.task)
    runner.check(spec, task)
    folder.move(spec)
    execute(folder, task, as_json)


def send(
    run: RunName,
    command: Annotated[Steer, typer.Argument(help="What the run shall do.")],
    value: Annotated[
        str | None, typer.Argument(help="A file to add (text or JSON), or a candidate's id.")
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="stop: end the process, to be resumed.")] = False,
    calls: Annotated[int | None, typer.Option(min=1, help="budget: calls in all.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="budget: minutes in all.")] = None,
    results: Results = RESULTS,
) -> None:
    """Steer a run: pause, resume, stop, add FILE, promote ID, ban ID, budget --calls N."""
    from apo import commands
    from apo.steering import refusal
    from apo.store.inbox import send as write
    from apo.store.runs import find

    folder = find(results, run)
    history = folder.history()
    if history.finished is not None:
        raise ConfigError(f"The run {folder.name} has finished; nothing can be sent to it.")
    order = _order(command, value, now, calls, minutes, history)
    live = folder.is_live()
    if not live and isinstance(order, commands.Pause | commands.Resume | commands.Stop):
        raise ConfigError(f"Nobody runs {folder.name} now. Go on with it by: apo resume {folder.name}")
    reason = refusal(order, history)
    if reason is not None:
        raise ConfigError(f"The run {folder.name} would refuse to {commands.name(order)}: {reason}.")
    write(folder.inbox, order)
    when = "" if live else f"; it takes effect when the run goes on (apo resume {folder.name})"
    print(f"Sent: {commands.name(order)}{when}.", file=sys.stderr)


def _order(
    command: Steer,
    value: str | None,
    now: bool,
    calls: int | None,
    minutes: float | None,
    history: "History",
) -> "Order":
    """The command that the arguments mean.

    Raises:
        ConfigError: something is missing.
    """
    from apo import commands

    if value is not None and command not in (Steer.add, Steer.promote, Steer.ban):
        raise ConfigError(f"`{command}` takes no value, and {value!r} was given.")
    match command:
        case Steer.pause:
            return commands.Pause()
        case Steer.resume:
            return commands.Resume()
        case Steer.stop:
            return commands.Stop(now=now)
        case Steer.budget:
            if calls is None and minutes is None:
                raise ConfigError("`budget` needs --calls or --minutes: the new limit, not what is added.")
            seconds = history.budget.seconds if minutes is None else 60 * minutes
            return commands.SetBudget(
                budget=replace(history.budget, calls=calls or history.budget.calls, seconds=seconds)
            )
    if value is None:
        what = "the file of a prompt" if command is Steer.add else "a candidate's id (apo show lists them)"
        raise ConfigError(f"`{command}` needs {what}.")
    if command is Steer.add:
        from apo.prompts import read_prompt

        return commands.Add(prompt=read_prompt(Path(value), history.task.seed.layout))
    kind = commands.Promote if command is Steer.promote else commands.Ban
    return kind(candidate=value)
