"""How far candidates came: how many met which share of the dev rows, and where and why the others ended."""

import math
import re
from collections import Counter
from dataclasses import dataclass

from apo.history import History
from apo.reporting.contributions import side_name

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
"""Of the dev rows: the rungs of successive halving over eight candidates."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A share of the dev rows, and who met at least so many."""

    share: float
    rows: int
    reached: dict[str, int]
    """Candidates by side of the prompt that was moved (`seed` and `by hand` where none)."""

    @property
    def total(self) -> int:
        """Candidates that met so many rows."""
        return sum(self.reached.values())


@dataclass(frozen=True, slots=True)
class Ending:
    """Candidates that were dropped after so many rows for one kind of reason."""

    rows: int
    reason: str
    """With `…` for ids and numbers."""
    candidates: int


def rungs(history: History) -> tuple[Rung, ...]:
    """All candidates first (no row), then those that met 1/8, 1/4, 1/2 and all of the dev rows."""
    met = {c: len(history.evaluations(c)) for c in history.candidates}
    sides = {c.id: side_name(c.side, c.origin == "seed") for c in history.candidates.values()}
    found = []
    for share in (0.0, *SHARES):
        rows = math.floor(share * len(history.dev))
        counted = Counter(sides[c] for c, n in met.items() if n >= rows)
        found.append(Rung(share, rows, dict(counted)))
    return tuple(found)


def endings(history: History) -> tuple[Ending, ...]:
    """Where and why candidates were dropped, by rows met; the most frequent reason first."""
    counted: Counter[tuple[int, str]] = Counter()
    for candidate, reason in history.pruned.items():
        kind = re.sub(r"\bc?\d+(\.\d+)?", "…", reason)
        counted[len(history.evaluations(candidate)), kind] += 1
    return tuple(
        Ending(rows, reason, n)
        for (rows, reason), n in sorted(counted.items(), key=lambda item: (item[0][0], -item[1]))
    )
