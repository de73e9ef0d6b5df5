"""The best score against calls: where candidates stood when they were last evaluated, and the best so far."""

from dataclasses import dataclass, field
from typing import NamedTuple

from apo import events
from apo.history import History


class Lead(NamedTuple):
    """From so many calls of all roles on, this candidate was the best with every dev row met."""

    calls: int
    mean: float
    """Its dev mean, in [0, 1]."""
    candidate: str


@dataclass
class Trace:
    """Points over the calls of all roles; grows with the events of a run."""

    seen: dict[str, int] = field(default_factory=dict)
    """Candidate id to the calls of the run when it was evaluated last."""
    best: list[Lead] = field(default_factory=list)
    """Only where the mean changed."""

    def take(self, history: History, event: events.Event) -> None:
        """One more event, which `history` has taken in."""
        match event:
            case events.EvaluationsFinished(evaluations=done, sealed=False):
                calls = history.total.calls
                self.seen.update(dict.fromkeys({one.candidate for one in done}, calls))
            case events.StepFinished():
                best = history.best()
                if best is not None:
                    mean = history.mean(best.id)
                    if not self.best or self.best[-1].mean != mean:
                        self.best.append(Lead(history.total.calls, mean, best.id))
            case _:
                pass
