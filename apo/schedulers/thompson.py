"""Racing by belief: each block of rows goes to the prompts that are best in worlds drawn from the belief.

Fixed-budget identification of the best arm (TRIPLE, Shi et al. 2024) by Thompson sampling (Russo 2016),
where what one prompt shows says something of those like it. Deviations: blocks instead of single pulls,
since a server answers many rows at once; worlds are drawn nearer to the mean, which wastes fewer rows
where the budget is small; and at the end those believed best meet all rows, as a winner must.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from apo.belief import Belief, Posterior
from apo.history import History
from apo.schedulers import NO_BUDGET, Plan, untried
from apo.seeding import rng

DRAWS = 8
"""Worlds drawn for each place in a block; if the best of nearly all is a complete prompt, it has won."""
UNLIKELY, UNPAID = "not likely to be the best", "no budget left for all its rows"
ENDS = (UNLIKELY, UNPAID)
"""Why candidates are dropped at the end of a race; where one was, the others follow."""


@dataclass(frozen=True)
class Thompson:
    """`first` rows for all, then `block` more for `width` prompts at a time.

    `spread` scales the draws' deviations from the mean: 0 follows the mean alone, 1 is plain Thompson
    sampling.
    """

    first: int = 2
    block: int = 8
    width: int = 4
    spread: float = 0.6

    def __post_init__(self) -> None:
        """Check the options."""
        if min(self.first, self.block, self.width) < 1 or not self.spread >= 0:
            raise ValueError(
                "first, block and width must be at least 1 and spread at least 0, not "
                f"{self.first}, {self.block}, {self.width} and {self.spread}"
            )

    def plan(self, cohort: Sequence[str], history: History, allowance: int, belief: Belief) -> Plan:
        """What was promised and not done, else the next block; complete prompts of the run are rivals."""
        rows = len(history.dev)
        alive = [c for c in cohort if c not in history.pruned]
        begun = [pair for c in alive for pair in untried(c, history, history.promoted.get(c, 0))]
        if begun:
            return Plan(tuple(begun[:allowance]))
        fresh = [c for c in alive if not history.evaluations(c)]
        if fresh:
            return self._opening(fresh, history, allowance)
        open_ = [c for c in alive if not history.is_full(c)]
        over = next((why for c in cohort if (why := history.pruned.get(c)) in ENDS), None)
        if over is not None or not open_:
            return Plan(pruned=tuple((c, over or UNLIKELY) for c in open_))
        best = history.best()
        rivals = [c for c in alive if history.is_full(c)]
        if best is not None and best.id not in rivals:
            rivals.append(best.id)
        state = belief([*open_, *rivals])
        chosen = self._chosen(open_, state, history)
        if not chosen:
            return Plan(pruned=tuple((c, UNLIKELY) for c in open_))
        leader = open_[max(range(len(open_)), key=lambda place: state.mean[place])]
        rest = len(untried(leader, history, rows))
        upto = {c: min(rows, len(history.evaluations(c)) + self.block) for c in open_ if c in chosen}
        if sum(len(untried(c, history, n)) for c, n in upto.items()) + rest <= allowance:
            return _block(upto, history)
        if rest <= allowance:
            return _block({leader: rows}, history)
        return Plan(pruned=tuple((c, UNPAID) for c in open_))

    def _opening(self, fresh: Sequence[str], history: History, allowance: int) -> Plan:
        """The first rows for as many as can be paid for, so that one of them can meet all."""
        rows = len(history.dev)
        first = min(self.first, rows)
        most = max(0, (allowance - (rows - first)) // first)
        plan = _block(dict.fromkeys(fresh[:most], first), history)
        return Plan(plan.assignments, plan.promoted, tuple((c, NO_BUDGET) for c in fresh[most:]))

    def _chosen(self, open_: Sequence[str], state: Posterior, history: History) -> list[str]:
        """The best of each of some worlds, as far as they are not complete; few where those win."""
        import numpy as np

        draws = rng(history.spec.seed, len(history.steps), f"thompson {history.total.calls}")
        values, vectors = np.linalg.eigh(state.covariance)
        root = vectors * np.sqrt(values.clip(min=0)) * self.spread
        noise = np.array([[draws.gauss(0, 1) for _ in values] for _ in range(DRAWS * self.width)])
        worlds = state.mean + noise @ root.T
        winners = dict.fromkeys(int(place) for place in worlds.argmax(axis=1))
        return [open_[place] for place in winners if place < len(open_)][: self.width]


def _block(upto: dict[str, int], history: History) -> Plan:
    """A plan that brings candidates to so many rows."""
    pairs = [pair for c, rows in upto.items() for pair in untried(c, history, rows)]
    return Plan(tuple(pairs), tuple(upto.items()))
