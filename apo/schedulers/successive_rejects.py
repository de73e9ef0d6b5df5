"""Successive rejects (Audibert & Bubeck COLT 2010), one of ProTeGi's ways to select (Pryzant et al. 2023).

The budget is fixed beforehand. In each phase the worst candidate is dropped, and phases are as long as
makes the chance of dropping the best one small however hard it is to find. Deviations: the rows are the
same for all, nested, instead of drawn for each; the last candidate goes on to all dev rows, which a
winner must have met, beyond the budget of the phases.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from apo.belief import Belief
from apo.history import History
from apo.schedulers import Plan
from apo.schedulers._rungs import Rung, climb, ladder


@dataclass(frozen=True)
class SuccessiveRejects:
    """Drop one after each phase; phases spend a `share` of what all rows would take for the whole cohort."""

    share: float = 0.3

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {self.share}")

    def ladder(self, cohort: int, rows: int) -> list[Rung]:
        """How many candidates each phase has, and how many rows they have met at its end."""
        ends = phases(cohort, int(self.share * cohort * rows))
        return ladder([(cohort - place, upto) for place, upto in enumerate(ends)], rows)

    def plan(self, cohort: Sequence[str], history: History, allowance: int, belief: Belief) -> Plan:
        """The first phase that is not complete; a new cohort is cut to what can be brought to the end."""
        return climb(cohort, history, allowance, lambda size: self.ladder(size, len(history.dev)))


def phases(arms: int, budget: int) -> list[int]:
    """Evaluations that each arm which is left has had at the end of phases 1 to `arms` - 1.

    Phase t ends at ceil((budget - arms) / (arms + 1 - t) / (1/2 + 1/2 + 1/3 + ... + 1/arms)).
    """
    scale = 0.5 + math.fsum(1 / i for i in range(2, arms + 1))
    return [math.ceil((budget - arms) / (scale * (arms + 1 - t)) - 1e-9) for t in range(1, arms)]
