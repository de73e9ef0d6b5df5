"""Successive halving (Karnin, Koren & Somekh 2013; Jamieson & Talwalkar 2016) on nested dev rows.

Rung i gives the best 1/eta^i of a cohort the first n/eta^(levels-i) rows. Nested rows are reused, so
a rung costs only its new ones, and each comparison is on the same rows for all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from apo.history import History
from apo.schedulers import NO_BUDGET, Plan, keep_best, untried
from apo.schedulers._halving import check, levels


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

    def cost(self, cohort: int, rows: int) -> int:
        """Evaluations that a cohort of that size takes from its first row to the last rung's end."""
        total = before = 0
        for number, upto in enumerate(self.rungs(cohort, rows)):
            total += math.ceil(cohort / self.eta**number) * (upto - before)
            before = upto
        return total

    def plan(self, cohort: Sequence[str], history: History, allowance: int) -> Plan:
        """The first rung that is not complete, after dropping what did not earn it.

        A new cohort is cut to what the allowance can bring to the last rung.
        """
        entered = [c for c in cohort if c not in history.pruned or history.evaluations(c)]
        rows = len(history.dev)
        pruned: list[tuple[str, str]] = []
        if not any(history.evaluations(c) for c in entered):
            while entered and self.cost(len(entered), rows) > allowance:
                pruned.append((entered.pop(), NO_BUDGET))
        alive = [c for c in entered if c not in history.pruned]
        before = 0
        for number, upto in enumerate(self.rungs(len(entered), rows)):
            keep = math.ceil(len(entered) / self.eta**number)
            alive, dropped = keep_best(alive, keep, history, before)
            pruned += [(c, f"not among the best {keep} on {before} rows") for c in dropped]
            missing = [pair for c in alive for pair in untried(c, history, upto)]
            if missing:
                promoted = tuple((c, upto) for c in alive) if before else ()
                return Plan(tuple(missing[:allowance]), promoted, tuple(pruned))
            before = upto
        return Plan((), (), tuple(pruned))
