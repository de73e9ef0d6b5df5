"""The rows on which the winner and the seed differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apo.candidate import Evaluation


@dataclass(frozen=True, slots=True)
class Flip:
    """One row that the two answered differently well."""

    row: str
    seed: Evaluation
    winner: Evaluation
    change: float
    """Winner's score less the seed's, not 0."""


def flips(
    winner: Mapping[str, Evaluation], seed: Mapping[str, Evaluation]
) -> tuple[Sequence[Flip], Sequence[Flip]]:
    """Rows that the winner answered better, and those that it answered worse; the largest change first.

    Rows that either did not answer are left out, as in the paired tests.
    """
    found = []
    for row, ours in winner.items():
        theirs = seed.get(row)
        if theirs is None or ours.score is None or theirs.score is None:
            continue
        change = ours.score.value - theirs.score.value
        if change != 0:
            found.append(Flip(row, theirs, ours, change))
    found.sort(key=lambda flip: -abs(flip.change))
    return [f for f in found if f.change > 0], [f for f in found if f.change < 0]
