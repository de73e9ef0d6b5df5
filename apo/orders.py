"""What people asked of a run and what is still to be done about it; a part of the history's fold."""

from dataclasses import dataclass, field

from apo import commands
from apo.budget import Budget
from apo.commands import Command, Sent

HUMAN, PROMOTED = "human", "promoted"
"""Components of the steps that evaluate what people added, and what they promoted."""


@dataclass(slots=True)
class Orders:
    """Commands so far. Only the history changes it."""

    budget: Budget = field(default_factory=Budget)
    """The limits now."""
    received: dict[str, Sent] = field(default_factory=dict)
    """Commands by id, in order, that are neither applied nor refused."""
    known: set[str] = field(default_factory=set)
    """Ids of all that were ever settled."""
    added: list[commands.Add] = field(default_factory=list)
    """Prompts that wait for a step of their own."""
    promoted: list[str] = field(default_factory=list)
    """Candidates that wait for a step that evaluates them on every dev row."""
    stopping: bool = False
    """The search is to end as soon as it can."""
    turning: bool = False
    """An applied command begins or ends a pause, and the journal does not say so yet."""

    def settle(self, command: str) -> Sent | None:
        """A received command is done with; None if it never was received."""
        self.known.add(command)
        return self.received.pop(command, None)

    def take(self, command: Command) -> None:
        """An applied command takes effect."""
        match command:
            case commands.Add():
                self.added.append(command)
            case commands.Promote(candidate=candidate) if candidate not in self.promoted:
                self.promoted.append(candidate)
            case commands.Ban(candidate=candidate) if candidate in self.promoted:
                self.promoted.remove(candidate)
            case commands.SetBudget(budget=budget):
                self.budget = budget
            case commands.Stop(now=False):
                self.stopping = True
            case _:
                pass
