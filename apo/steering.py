"""How people steer a run while it goes on: pause, stop, and orders for the next step.

Every command is journaled when it is read. Pause, resume and stop take effect at once, since they do not
change what a step contains; all others wait for the next step, so that a step follows from the
history at its start and a cut run goes on as if it had not been cut.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from apo import commands, events
from apo.budget import Budget, calls_left, used
from apo.commands import Command, Sent
from apo.history import BANNED, UNFIT, History

OVER = "the search is over"
"""Why a command is refused that comes while the sealed test runs."""
LOOK_EVERY = 0.2
"""Seconds between two looks at the inbox while a run is paused."""


class Source(Protocol):
    """Where a run hears of what people want."""

    def commands(self) -> Iterable[Sent]:
        """Commands that have come since the last call; each is taken in before the next is asked for."""
        ...

    def interrupted(self) -> bool:
        """Whether the process should end as soon as the rows in flight are written; thread-safe."""
        ...


class Nobody:
    """A source that wants nothing."""

    def commands(self) -> Sequence[Sent]:
        """None."""
        return ()

    def interrupted(self) -> bool:
        """Never."""
        return False


@dataclass
class Steering:
    """Takes commands into a run's journal and obeys them. `emit` writes an event and folds it in."""

    history: History
    emit: Callable[[events.Event], None]
    source: Source = field(default_factory=Nobody)
    sleep: Callable[[float], None] = time.sleep
    _leaving: bool = field(default=False, init=False)

    @property
    def halted(self) -> bool:
        """Whether no new rows should be asked now; thread-safe."""
        return self._leaving or self.history.paused or self.source.interrupted()

    @property
    def stopping(self) -> bool:
        """Whether the search is to end as soon as it can; the seed prompt, if nothing else, is a winner."""
        return self.history.orders.stopping and len(self.history.steps) > 1

    def listen(self) -> None:
        """Take new commands in, and obey those that take effect at once."""
        self.catch_up()
        orders = self.history.orders
        for sent in self.source.commands():
            if sent.id not in orders.known and sent.id not in orders.received:
                self.emit(events.CommandReceived(sent=sent))
                self._leaving = self._leaving or sent.command == commands.Stop(now=True)
                self._obey_now(sent)

    def catch_up(self) -> None:
        """Finish what a process that died had begun to obey; the one that was to leave has left."""
        self._turn()
        for sent in list(self.history.orders.received.values()):
            self._obey_now(sent)

    def _turn(self) -> None:
        """Journal the pause or its end that an applied command means."""
        if self.history.orders.turning:
            self.emit(events.RunContinued() if self.history.paused else events.RunPaused())

    def _obey_now(self, sent: Sent) -> None:
        match sent.command:
            case commands.Pause() | commands.Resume() as command:
                pausing = isinstance(command, commands.Pause)
                if pausing == self.history.paused:
                    reason = "the run is paused already" if pausing else "the run is not paused"
                    self.emit(events.CommandRefused(id=sent.id, reason=reason))
                    return
                self.emit(events.CommandApplied(id=sent.id))
                self._turn()
            case commands.Stop(now=False) if self.history.spend["test"].calls > 0:
                self.emit(events.CommandRefused(id=sent.id, reason=OVER))
            case commands.Stop():
                self.emit(events.CommandApplied(id=sent.id))
                self._turn()

    def wait(self) -> None:
        """Between two batches of rows: stay here while paused.

        Raises:
            KeyboardInterrupt: the process is to end; all that was answered is in the journal.
        """
        self.listen()
        while True:
            if self._leaving or self.source.interrupted():
                raise KeyboardInterrupt
            if not self.history.paused:
                return
            self.sleep(LOOK_EVERY)
            self.listen()

    def obey(self) -> None:
        """At the start of a step: apply what has been received, in order."""
        while True:
            self.wait()
            sent = next(iter(self.history.orders.received.values()), None)
            if sent is None:
                return
            reason = refusal(sent.command, self.history)
            if reason is None:
                self.emit(events.CommandApplied(id=sent.id))
            else:
                self.emit(events.CommandRefused(id=sent.id, reason=reason))

    def close(self) -> None:
        """At the end of a run: what can no longer be applied is refused."""
        self.listen()
        for sent in list(self.history.orders.received.values()):
            self.emit(events.CommandRefused(id=sent.id, reason=OVER))


def refusal(command: Command, history: History) -> str | None:
    """Why a command cannot be applied now; None if it can."""
    match command:
        case commands.Promote(candidate=candidate) | commands.Ban(candidate=candidate):
            return _refused_candidate(command, candidate, history)
        case commands.Add(prompt=prompt, parent=parent):
            if parent and parent not in history.candidates:
                return f"there is no candidate {parent!r}"
            return None if prompt.instruction.strip() or prompt.exemplars else "the prompt is empty"
        case commands.SetBudget(budget=budget):
            return _refused_budget(budget, history)
        case _:
            return None


def _refused_candidate(command: Command, candidate: str, history: History) -> str | None:
    if candidate not in history.candidates:
        return f"there is no candidate {candidate!r}"
    why = history.pruned.get(candidate)
    if isinstance(command, commands.Ban):
        if candidate == "c0":
            return "the seed prompt is what the others are compared with"
        return "it is banned already" if why == BANNED else None
    if why == UNFIT:
        return "it does not fit the model's context"
    return "it has met every dev row already" if history.is_full(candidate) and why is None else None


def _refused_budget(budget: Budget, history: History) -> str | None:
    if budget == Budget():
        return "it has no limit at all"
    if used(budget, history.total, history.seconds) >= 1:
        return "more than that is spent already"
    left = calls_left(budget, history.total, history.seconds, history.spend["whitebox"])
    if left < history.sealed_left:
        return f"the sealed test takes {history.sealed_left} more calls"
    return None
