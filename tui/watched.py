"""All that a screen knows of one run: its history, folded as events come, and what the folder tells."""

import gc
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from apo import events, words
from apo.errors import ApoError
from apo.events import Record
from apo.history import History
from apo.leaderboard import Board
from apo.trace import Trace
from tui.format import clock

State = Literal["starting", "running", "paused", "waiting", "stopped", "finished", "gone"]
LINES = 500
"""Events that are kept as lines."""
FREEZE_EVERY = 20_000
"""Evaluations after which those so far are hidden from the garbage collector."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run's folder tells beside its journal."""

    there: bool = True
    """False: the folder was deleted."""
    live: bool = False
    """Whether a process holds the run's lock, or one was started and has yet to take it."""
    output: str = ""
    """The last line that the run's process printed, if it was started in the background."""
    log: tuple[str, ...] = ()
    """The last lines of the server's log, or of what the process printed."""
    writer: int | None = None
    """Process id of the one that holds the lock, where the system tells."""


@dataclass
class Watched:
    """One run as it is seen; only `fold` and assigning `facts` change it."""

    history: History = field(default_factory=History)
    facts: Facts = field(default_factory=Facts)
    trouble: str = ""
    """Why the journal cannot be read further."""
    last_time: float | None = None
    """When the last event happened, seconds since the epoch."""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))
    written: int = 0
    """How many lines there were ever."""
    catching_up: bool = True
    """Whether the journal has more to read at once."""
    board: Board = field(init=False)
    trace: Trace = field(default_factory=Trace)
    _unfrozen: int = 0
    _luck: str | None = None

    def __post_init__(self) -> None:
        self.board = Board(self.history)

    def fold(self, records: Sequence[Record]) -> None:
        """Take more events in; one that does not fit those before is reported in `trouble`."""
        for record in records:
            try:
                self.history.apply(record)
                self.trace.take(self.history, record.event)
                said = words.event(self.history, record)
            except (ApoError, LookupError, ValueError) as error:
                self.trouble = f"Event {record.n} does not fit those before it: {error!r}."
                return
            self.last_time = record.t
            if said is not None:
                self.lines.append(f"{clock(self.history.seconds)[-5:]} {words.printable(said.strip())}")
                self.written += 1
            if isinstance(record.event, events.EvaluationsFinished):
                self._hide(len(record.event.evaluations))

    def _hide(self, more: int) -> None:
        # A collection would look at millions of evaluations again and again, though none is ever garbage.
        self._unfrozen += more
        if self._unfrozen >= FREEZE_EVERY:
            self._unfrozen = 0
            gc.collect(1)
            gc.freeze()

    @property
    def state(self) -> State:
        """What the run does, as far as journal and folder tell together."""
        if not self.facts.there:
            return "gone"
        if self.history.finished is not None:
            return "finished"
        if not self.facts.live:
            return "stopped" if not self.catching_up else "starting"
        known: dict[str, State] = {"running": "running", "paused": "paused", "waiting": "waiting"}
        return known.get(words.state(self.history), "starting")

    @property
    def luck(self) -> str:
        """What the winner's dev score is worth, in words; found once, since it takes a while."""
        if self._luck is None:
            self._luck = words.luck(self.history) or ""
        return self._luck

    def seconds(self, now: float) -> float:
        """Time of the search so far, the time since the last event included while it goes on."""
        idle = self.state != "running" or self.last_time is None
        return self.history.seconds + (0.0 if idle else max(0.0, now - (self.last_time or now)))

    @property
    def gains(self) -> dict[str, float]:
        """How far each side has raised the best dev mean, over the finished steps."""
        found: dict[str, float] = {"layout": 0.0, "exemplars": 0.0, "instruction": 0.0}
        for step in self.history.steps:
            side = step.side or ("by hand" if step.number > 0 else None)
            if side is not None and step.finished:
                found[side] = found.get(side, 0.0) + step.gain
        return found
