"""Best-arm identification with a fixed budget for prompts (TRIPLE, Shi et al. NeurIPS 2024).

`cr`, continuously reject: whenever the worst candidate lies further behind the next worst than a
threshold, which falls while the budget is spent, it is dropped. `sh`: successive halving whose phases
share the budget evenly. Deviations: the rows are the same for all, nested, instead of drawn for each;
equal means go to the shorter prompt instead of to chance; `cr` looks after growing blocks instead of
after each evaluation; the last candidate goes on to all dev rows, beyond the budget.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from apo.belief import Belief
from apo.history import History
from apo.schedulers import Plan, keep_best, prefix_mean, untried
from apo.schedulers._rungs import Rung, climb, enter, ladder


@dataclass(frozen=True)
class Triple:
    """Spends a `share` of what all rows would take for the whole cohort.

    `cr` looks after each block; the first one has `block` rows.
    """

    kind: Literal["cr", "sh"] = "cr"
    share: float = 0.3
    block: int = 5

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 < self.share <= 1 or self.block < 1:
            raise ValueError(
                "share must be above 0 and at most 1, and block at least 1, "
                f"not {self.share} and {self.block}"
            )

    def plan(self, cohort: Sequence[str], history: History, allowance: int, belief: Belief) -> Plan:
        """The next rows; a new cohort is cut to what can be brought to the end."""
        rows = len(history.dev)
        if self.kind == "sh":
            return climb(cohort, history, allowance, lambda size: self.ladder(size, rows))
        entered, pruned = enter(cohort, history, allowance, lambda size: self.most(size, rows))
        alive = [c for c in entered if c not in history.pruned]
        for before, upto in pairwise([0, *self.looks(rows)]):
            if not any(untried(c, history, upto) for c in alive):
                continue
            # A block that was begun had its look already: a cut run then plans as an uncut one does.
            if before and all(len(history.evaluations(c)) <= before for c in entered):
                alive, dropped = self._reject(entered, alive, history, (before, upto))
                pruned += dropped
            missing = [pair for c in alive for pair in untried(c, history, upto)]
            promoted = tuple((c, upto) for c in alive) if before else ()
            return Plan(tuple(missing[:allowance]), promoted, tuple(pruned))
        return Plan((), (), tuple(pruned))

    def ladder(self, cohort: int, rows: int) -> list[Rung]:
        """`sh`: how many candidates each phase has, and how many rows they have met at its end."""
        upto, rungs = 0, []
        for active, more in halvings(cohort, self._budget(cohort, rows)):
            upto += more
            rungs.append((active, upto))
        return ladder(rungs, rows)

    def looks(self, rows: int) -> list[int]:
        """`cr`: after how many rows means are compared; blocks grow by half, as single rows matter less."""
        found, upto = [], self.block
        while upto < rows:
            found.append(upto)
            upto += max(self.block, upto // 2)
        return [*found, rows]

    def most(self, cohort: int, rows: int) -> int:
        """`cr`: the most evaluations that a cohort of that size can take."""
        first = cohort * min(self.block, rows)
        return min(cohort * rows, max(first, self._budget(cohort, rows)) + rows)

    def _budget(self, cohort: int, rows: int) -> int:
        return int(self.share * cohort * rows)

    def _reject(
        self, entered: list[str], alive: list[str], history: History, block: tuple[int, int]
    ) -> tuple[list[str], list[tuple[str, str]]]:
        """Drop the worst as long as it is behind far enough, or the next block is beyond the budget."""
        before, upto = block
        budget = self._budget(len(entered), len(history.dev))
        dropped: list[tuple[str, str]] = []
        while len(alive) > 1:
            gone = sum(len(history.evaluations(c)) for c in entered if c not in alive)
            worst, next_worst = sorted(prefix_mean(c, history, before) for c in alive)[:2]
            if gone + upto * len(alive) <= budget:
                spent = before * len(alive)
                if next_worst - worst < threshold(budget, gone, spent, len(alive)):
                    break
            reason = f"worst of the {len(alive)} left on {before} rows"
            alive, (loser,) = keep_best(alive, len(alive) - 1, history, before)
            dropped.append((loser, reason))
        return alive, dropped


def threshold(budget: int, gone: int, spent: int, arms: int) -> float:
    """How far behind an arm must be to be rejected, of `arms` (at least 2) that are left and have had
    `spent` evaluations, where those rejected had `gone`; below 0 the worst goes with no gap at all."""
    return math.sqrt((budget - gone) / (spent * math.log(arms))) - 1


def halvings(arms: int, budget: int) -> list[tuple[int, int]]:
    """The arms of each phase of successive halving, and the evaluations that each of them gets in it.

    Rounding up may take a few more than the budget.
    """
    count, found = (arms - 1).bit_length() if arms else 0, []
    for _ in range(count):
        found.append((arms, math.ceil(budget / (arms * count))))
        arms = math.ceil(arms / 2)
    return found
