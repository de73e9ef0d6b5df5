"""Every candidate meets every dev row: the dearest comparison and the plainest."""

from collections.abc import Sequence
from dataclasses import dataclass

from apo.belief import Belief
from apo.history import History
from apo.schedulers import NO_BUDGET, Plan, untried


@dataclass(frozen=True)
class Full:
    """No candidate is dropped before it has met all rows, unless the budget ends."""

    def plan(self, cohort: Sequence[str], history: History, allowance: int, belief: Belief) -> Plan:
        """All rows for as many candidates as the allowance holds; the others are dropped."""
        assignments: list[tuple[str, str]] = []
        pruned: list[tuple[str, str]] = []
        for candidate in cohort:
            if candidate in history.pruned:
                continue
            missing = untried(candidate, history, len(history.dev))
            if len(assignments) + len(missing) <= allowance:
                assignments += missing
            else:
                pruned.append((candidate, NO_BUDGET))
        return Plan(tuple(assignments), (), tuple(pruned))
