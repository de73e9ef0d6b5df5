"""What the plot shows: where each candidate stood when it was last evaluated, and the best so far."""

from dataclasses import dataclass, field

from apo import events
from apo.history import History


@dataclass
class Trace:
    """Points over the calls of all roles; grows with the events of a run."""

    seen: dict[str, int] = field(default_factory=dict)
    """Candidate id to the calls of the run when it was evaluated last."""
    best: list[tuple[int, float]] = field(default_factory=list)
    """Calls, and the best fully evaluated dev mean from then on; only where it changed."""

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
                    if not self.best or self.best[-1][1] != mean:
                        self.best.append((history.total.calls, mean))
            case _:
                pass
