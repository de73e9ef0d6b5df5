"""Racing (Maron & Moore 1994; Birattari et al. 2002): a prompt is dropped once a paired test says so.

After each block of rows every prompt is compared with the leader, and with the best prompt of the run,
on the rows that both met. The test may be looked at after every block: it bets on the differences, and
by Ville's inequality the wealth of a bet that is fair or worse reaches 1/alpha with a chance of alpha
at most, whenever one looks (Waudby-Smith & Ramdas 2024, section 4; the mixture over bets is Robbins').
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from apo.belief import Belief
from apo.history import History
from apo.schedulers import NO_BUDGET, Plan, keep_best, untried

BETS = tuple((2 * i + 1) / 64 for i in range(32))
"""Shares of the wealth that are bet, over which it is averaged; even over (0, 1)."""


def wealth(differences: Sequence[float]) -> float:
    """What betting on positive differences has made of 1; each difference lies in [-1, 1].

    Under the null hypothesis (their mean is at most 0 at every row) it is above 1/alpha at any time with
    a chance of at most alpha. Rows on which both do alike change nothing.
    """
    return _made(tuple(sorted(Counter(d for d in differences if d).items())))


@lru_cache(maxsize=4096)
def _made(counts: tuple[tuple[float, int], ...]) -> float:
    """The same by how often each difference is met: where scores are 0 or 1, few cases come up."""
    logs = [math.fsum(n * math.log1p(bet * d) for d, n in counts) for bet in BETS]
    top = max(logs)
    return math.exp(min(top, 700.0)) * math.fsum(math.exp(x - top) for x in logs) / len(logs)


@dataclass(frozen=True)
class Racing:
    """The first block has `block` rows, and each next one ends at `growth` times as many.

    The true best is lost with a chance of `alpha` at most. This holds for the whole race of a cohort, as
    long as the budget does not cut it: thresholds are divided by the number of rivals (Bonferroni). Where
    the budget cannot bring all that the test has left to all rows, the worst are cut after each block,
    about half of them while rows double.
    """

    block: int = 5
    growth: float = 1.4
    alpha: float = 0.1

    def __post_init__(self) -> None:
        """Check the options."""
        if self.block < 1 or not self.growth >= 1 or not 0 < self.alpha < 1:
            raise ValueError(
                "block and growth must be at least 1 and alpha between 0 and 1, not "
                f"{self.block}, {self.growth} and {self.alpha}"
            )

    def plan(self, cohort: Sequence[str], history: History, allowance: int, belief: Belief) -> Plan:
        """The next block for all that are left, after dropping what the last one told apart.

        What the allowance cannot bring to all rows is cut: the last of a new cohort, else the worst.
        """
        rows = len(history.dev)
        alive = [c for c in cohort if c not in history.pruned]
        pruned: list[tuple[str, str]] = []
        before = 0
        for upto in self._ends(rows):
            if any(untried(c, history, upto) for c in alive):
                lost = self._lost(cohort, alive, history, before) if before else []
                left = [c for c in alive if c not in dict(lost)]
                alive, cut = self._affordable(left, before, upto, history, allowance)
                pruned += [*lost, *((c, NO_BUDGET) for c in cut)]
                missing = [pair for c in alive for pair in untried(c, history, upto)]
                if missing:
                    promoted = tuple((c, upto) for c in alive if before)
                    return Plan(tuple(missing[:allowance]), promoted, tuple(pruned))
            before = upto
        return Plan((), (), tuple(pruned))

    def _ends(self, rows: int) -> list[int]:
        """The numbers of rows at which blocks end."""
        found = [min(self.block, rows)]
        while found[-1] < rows:
            found.append(min(rows, max(found[-1] + 1, round(found[-1] * self.growth))))
        return found

    def _lost(
        self, cohort: Sequence[str], alive: list[str], history: History, rows: int
    ) -> list[tuple[str, str]]:
        """The candidates that are worse than the leader, or than the run's best, with the reason."""
        best = history.best()
        rivals = list(alive) if best is None or best.id in alive else [*alive, best.id]
        if len(rivals) < 2:
            return []
        threshold = len({*cohort, *rivals}) / self.alpha
        (leader,), _ = keep_best(rivals, 1, history, rows)
        found = []
        for candidate in alive:
            made = wealth(_differences(leader, candidate, history, rows))
            if candidate != leader and made >= threshold:
                found.append((candidate, f"worse than {leader} on {rows} rows (bets made {made:.0f})"))
        return found

    def _affordable(
        self, alive: list[str], before: int, upto: int, history: History, allowance: int
    ) -> tuple[list[str], list[str]]:
        """The candidates that the next block can be paid for, and those that are cut; who has met all
        rows costs nothing more and stays."""
        met = [c for c in alive if not untried(c, history, len(history.dev))]
        kept = [c for c in alive if c not in met]
        while kept and not self._payable(kept, before, upto, history, allowance):
            if not before:
                kept.pop()
            else:
                kept, _ = keep_best(kept, len(kept) - 1, history, before)
        cut = [c for c in alive if c not in met and c not in kept]
        return [c for c in alive if c not in cut], cut

    def _payable(self, kept: Sequence[str], before: int, upto: int, history: History, allowance: int) -> bool:
        """Whether a block leaves enough: one must be able to meet all rows, and of these many a share
        that falls as rows grow (half of them twice as many), as in successive halving.

        What is met of the block already counts as not spent, so that a cut block is planned again alike.
        """
        rows = len(history.dev)
        missing = sum(len(untried(c, history, upto)) for c in kept)
        met = len(kept) * (upto - before) - missing
        ends = [end for end in self._ends(rows) if end >= upto]
        sizes = [end - start for start, end in zip([before, *ends], ends, strict=False)]
        falling = len(kept) * sum(size * upto / end for size, end in zip(sizes, ends, strict=True))
        return missing + rows - upto <= allowance and (len(kept) == 1 or falling <= allowance + met)


def _differences(leader: str, candidate: str, history: History, rows: int) -> list[float]:
    """Leader minus candidate on those of the first `rows` dev rows that both answered."""
    ours, theirs = history.scores(leader), history.scores(candidate)
    shared = (row.id for row in history.dev[:rows] if row.id in ours and row.id in theirs)
    return [ours[row] - theirs[row] for row in shared]
