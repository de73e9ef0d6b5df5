"""Progress on stderr: a bar on a terminal, plain lines elsewhere. Model text is never markup."""

import sys
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from apo import events, words
from apo.budget import used
from apo.history import History


class Reporter(Protocol):
    """Shows what is being waited for, and a run as it goes."""

    def __enter__(self) -> "Reporter":
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, leaving the terminal as it was."""
        ...

    def waiting(self, what: str) -> None:
        """Say what is being waited for."""
        ...

    def observe(self, history: History, record: events.Record) -> None:
        """Show one more event."""
        ...


def reporter(quiet: bool) -> Reporter:
    """The one that fits stderr."""
    if quiet:
        return Quiet()
    return Bar() if sys.stderr.isatty() else Lines()


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> "Quiet":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def waiting(self, what: str) -> None:
        """Nothing."""

    def observe(self, history: History, record: events.Record) -> None:
        """Nothing."""


class Lines(Quiet):
    """A line for each thing that people want to know."""

    def __init__(self) -> None:
        self._last = ""

    def waiting(self, what: str) -> None:
        """A line when it changes."""
        if what != self._last:
            self._last = what
            print(what, file=sys.stderr, flush=True)

    def observe(self, history: History, record: events.Record) -> None:
        """A line, if the event is worth one."""
        line = words.event(history, record)
        if line is not None:
            print(words.printable(line), file=sys.stderr, flush=True)


class Bar:
    """A live line: share of the budget, calls, tokens, best score, time left."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, markup=False, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[status]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._bar = self._progress.add_task("starting", total=None, status="")

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def waiting(self, what: str) -> None:
        """Show it with the time waited."""
        elapsed = words.duration(self._progress.tasks[0].elapsed or 0)
        self._progress.update(self._bar, description=f"{what} · {elapsed}", status="")

    def observe(self, history: History, record: events.Record) -> None:
        """Move the bar; print a line above it, if the event is worth one."""
        line = words.event(history, record)
        if line is not None:
            self._console.print(Text(words.printable(line)))
        share = used(history.budget, history.total, history.seconds)
        self._progress.update(
            self._bar,
            description=_what(history),
            status=_status(history),
            total=1.0,
            completed=min(share, 1.0),
        )


def _what(history: History) -> str:
    if not history.steps:
        return "starting"
    step = history.steps[-1]
    return f"step {step.number} {step.side or 'seed'}"


def _status(history: History) -> str:
    best, total = history.best(), history.total
    score = f"best {100 * history.mean(best.id):.1f} %" if best else "no score yet"
    tokens = words.count(total.prompt_tokens + total.completion_tokens)
    left = words.time_left(history, history.budget)
    rest = f" · {words.duration(left)} left" if left is not None else ""
    return f"{total.calls} calls · {tokens} tokens · {score}{rest}"
