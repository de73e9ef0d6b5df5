"""What rows were worth as exemplars: candidates that show a row against those that show others.

An association, not a cause: rows are shown together with others, under instructions of their own, and
a search keeps showing what did well once. Means of fewer rows are noisier and count alike.
"""

from dataclasses import dataclass
from statistics import fmean

from apo.history import History
from apo.prompt import Exemplar

LEAST = 3
"""Candidates with and without a row below which it is not ranked."""


@dataclass(frozen=True, slots=True)
class Value:
    """One row as an exemplar."""

    row: str
    """Its id; empty for an exemplar that a person wrote."""
    exemplar: Exemplar
    """As it was shown first."""
    shown: int
    """Candidates that showed it, of those with exemplars and a score."""
    others: int
    """Candidates that showed other exemplars only."""
    score: float
    """Mean dev score of those that showed it."""
    without: float
    """Mean dev score of the others; 0 without any."""

    @property
    def difference(self) -> float:
        """Score with less score without."""
        return self.score - self.without

    @property
    def ranked(self) -> bool:
        """Whether enough candidates show it, and enough do not, to say anything."""
        return min(self.shown, self.others) >= LEAST


def values(history: History) -> tuple[Value, ...]:
    """All rows that were ever shown, the highest difference first."""
    means: dict[str, float] = {}
    shown: dict[str, set[str]] = {}
    first: dict[str, Exemplar] = {}
    for candidate in history.candidates.values():
        prompt = candidate.prompt
        if not prompt.exemplars or prompt.nearest is not None or not history.scores(candidate.id):
            continue  # who has a pool shows each input others
        means[candidate.id] = history.mean(candidate.id)
        for exemplar in prompt.exemplars:
            shown.setdefault(exemplar.row, set()).add(candidate.id)
            first.setdefault(exemplar.row, exemplar)
    found = []
    for row, those in shown.items():
        others = [mean for candidate, mean in means.items() if candidate not in those]
        found.append(
            Value(
                row=first[row].source,
                exemplar=first[row],
                shown=len(those),
                others=len(others),
                score=fmean(means[c] for c in sorted(those)),
                without=fmean(others) if others else 0.0,
            )
        )
    return tuple(sorted(found, key=lambda v: (-v.difference, -v.shown, v.row)))
