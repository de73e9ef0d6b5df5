"""A candidate's dev rows: failures first, with what its parent made of the same row."""

from dataclasses import dataclass

from apo.candidate import Candidate, Evaluation
from apo.history import History
from apo.task import Example

RIGHT, PARTLY, WRONG, FAILED = "✓", "~", "✗", "!"
"""Fully right, partly right, wrong, and no answer at all."""


@dataclass(frozen=True, slots=True)
class Met:
    """One dev row that a candidate met."""

    example: Example
    own: Evaluation
    before: Evaluation | None
    """The parent's evaluation of the same row."""

    @property
    def change(self) -> str:
        """`✗→✓` from the parent to here; only the own mark without a parent's."""
        own = mark(self.own)
        return own if self.before is None else f"{mark(self.before)}→{own}"


def mark(evaluation: Evaluation) -> str:
    """A sign for how well a row was answered."""
    if evaluation.score is None:
        return FAILED
    value = evaluation.score.value
    return RIGHT if value >= 1 else WRONG if value <= 0 else PARTLY


def met(history: History, candidate: Candidate) -> list[Met]:
    """The rows that a candidate met: no answer first, then the worst answered, in dev order."""
    own = history.evaluations(candidate.id)
    before = history.evaluations(candidate.parents[0]) if candidate.parents else {}
    rows = [Met(row, own[row.id], before.get(row.id)) for row in history.dev if row.id in own]
    return sorted(rows, key=lambda m: -1.0 if m.own.score is None else m.own.score.value)


def answer(evaluation: Evaluation | None) -> str:
    """What was answered, as the scorer read it."""
    if evaluation is None:
        return ""
    if evaluation.failure is not None:
        return f"({evaluation.failure.kind})"
    read = evaluation.score.answer if evaluation.score is not None else None
    return read if read is not None else f"(unread) {evaluation.output[:200]}"
