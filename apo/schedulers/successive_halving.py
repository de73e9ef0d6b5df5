"""Successive halving (Karnin, Koren & Somekh 2013; Jamieson & Talwalkar 2016) on nested dev rows.

Rung i gives the best 1/eta^i of a cohort the first n/eta^(levels-i) rows. Nested rows are reused, so
a rung costs only its new ones, and each comparison is on the same rows for all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from apo.belief import Belief
from apo.history import History
from apo.schedulers import Plan
from apo.schedulers._halving import check, levels
from apo.schedulers._rungs import Rung, climb, cost


@dataclass(frozen=True)
class SuccessiveHalving:
    """Drop all but the best 1/`eta` after each rung; the first rung has at least `least_rows` rows."""

    eta: int = 2
    least_rows: int = 10

    def __post_init__(self) -> None:
        """Check the options."""
        check(self.eta, self.least_rows)

    def rungs(self, cohort: int, rows: int) -> list[int]:
        """Numbers of rows, growing to all of them, for a cohort of that size."""
        most = min(levels(cohort, self.eta), levels(rows / self.least_rows, self.eta))
        return [math.ceil(rows / self.eta**level) for level in range(most, -1, -1)]

    def ladder(self, cohort: int, rows: int) -> list[Rung]:
        """The same with the number of candidates that climb each rung."""
        rungs = self.rungs(cohort, rows)
        return [(math.ceil(cohort / self.eta**number), upto) for number, upto in enumerate(rungs)]

    def cost(self, cohort: int, rows: int) -> int:
        """Evaluations that a cohort of that size takes from its first row to the last rung's end."""
        return cost(self.ladder(cohort, rows))

    def plan(self, cohort: Sequence[str], history: History, allowance: int, belief: Belief) -> Plan:
        """The first rung that is not complete; a new cohort is cut to what can be brought to the last one."""
        return climb(cohort, history, allowance, lambda size: self.ladder(size, len(history.dev)))
