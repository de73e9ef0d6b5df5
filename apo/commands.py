"""What people may ask of a run while it goes on; each command is sent through the run's inbox."""

import msgspec

from apo.budget import Budget
from apo.prompt import Prompt


class Command(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The base of all commands; a subclass's name is its tag in the inbox and the journal."""


class Pause(Command, frozen=True):
    """Ask no more rows until told to go on; takes effect at once."""


class Resume(Command, frozen=True):
    """Go on after a pause; takes effect at once."""


class Stop(Command, frozen=True):
    """End the search; takes effect at once."""

    now: bool = False
    """False: score the winner on the sealed test and finish. True: only end the process; the run can
    be resumed."""


class Add(Command, frozen=True):
    """A prompt that a person wrote becomes a candidate at the next step."""

    prompt: Prompt
    parent: str = ""
    """The candidate that it was edited from, if any."""
    note: str = ""


class Promote(Command, frozen=True):
    """Evaluate a candidate on every dev row at the next step, whatever the scheduler said."""

    candidate: str


class Ban(Command, frozen=True):
    """Drop a candidate at the next step: it gets no more rows, no children and cannot win."""

    candidate: str


class SetBudget(Command, frozen=True):
    """Replace the run's limits from the next step on."""

    budget: Budget


Order = Pause | Resume | Stop | Add | Promote | Ban | SetBudget


class Sent(msgspec.Struct, frozen=True):
    """One line of an inbox."""

    id: str
    """Tells commands apart, so that applying one twice is harmless."""
    t: float
    """Seconds since the epoch."""
    command: Order


def name(command: Command) -> str:
    """What a command is called, on the command line and on the screen."""
    match command:
        case Promote(candidate=candidate) | Ban(candidate=candidate):
            return f"{type(command).__name__.lower()} {candidate}"
        case Stop(now=True):
            return "stop now"
        case SetBudget():
            return "set the budget"
        case Add():
            return "add a candidate"
        case _:
            return type(command).__name__.lower()
