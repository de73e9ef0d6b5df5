"""Hyperband (Li et al. 2018) on nested dev rows, as HbBoPs runs it (Schneider et al. 2025, section 4).

Nobody knows how many rows it takes to tell prompts apart. So a cohort is dealt into brackets: one
begins with many prompts on few rows and halves often, the next with fewer prompts on more rows, the
last gives every row to all of its prompts. Brackets share the same nested rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from apo.belief import Belief
from apo.history import History
from apo.schedulers import NO_BUDGET, Plan, keep_best, untried
from apo.schedulers._halving import check, levels
from apo.schedulers._rungs import cost


@dataclass(frozen=True)
class Hyperband:
    """Brackets of successive halving by `eta`, the most daring one from `least_rows` rows on.

    HbBoPs begins with 10 rows. On pools with 100 dev rows 5 chose better: 1.2 instead of 1.4 points below
    the best on dev, for a fifth of the calls (40 seeds, three tasks).
    """

    eta: int = 2
    least_rows: int = 5

    def __post_init__(self) -> None:
        """Check the options."""
        check(self.eta, self.least_rows)

    def brackets(self, rows: int) -> list[tuple[int, int]]:
        """For each bracket its prompts and the rows of its first rung, the most daring bracket first.

        The numbers of HbBoPs: with s_max = floor(log_eta(rows / least_rows)), bracket s begins with
        ceil((s_max + 1) eta^s / (s + 1)) prompts on rows / eta^s rows.
        """
        most = levels(rows / self.least_rows, self.eta)
        return [
            (math.ceil((most + 1) * self.eta**s / (s + 1)), math.ceil(rows / self.eta**s))
            for s in range(most, -1, -1)
        ]

    def rungs(self, prompts: int, first: int, rows: int) -> list[tuple[int, int]]:
        """For each rung of a bracket the prompts that it keeps, and its rows; a rung keeps 1 at least."""
        found = []
        while first < rows:
            found.append((prompts, first))
            prompts, first = max(1, prompts // self.eta), min(rows, first * self.eta)
        return [*found, (prompts, rows)]

    def cost(self, prompts: int, first: int, rows: int) -> int:
        """Evaluations of one bracket; rows that a prompt has met are not asked again."""
        return cost(self.rungs(prompts, first, rows))

    def deal(self, cohort: Sequence[str], rows: int) -> list[list[str]]:
        """The cohort dealt to the brackets, in order, in proportion to their numbers of prompts.

        Deviation: HbBoPs draws each bracket's prompts anew; here a step's cohort is all there is.
        """
        wanted = [prompts for prompts, _ in self.brackets(rows)]
        dealt: list[list[str]] = [[] for _ in wanted]
        for candidate in cohort:
            place = min(range(len(wanted)), key=lambda i: ((len(dealt[i]) + 1) / wanted[i], i))
            dealt[place].append(candidate)
        return dealt

    def plan(self, cohort: Sequence[str], history: History, allowance: int, belief: Belief) -> Plan:
        """The next rung of all brackets. A new cohort is cut to what the allowance can bring to its end."""
        rows = len(history.dev)
        pruned: list[tuple[str, str]] = []
        entered = [c for c in cohort if c not in history.pruned or history.evaluations(c)]
        if not any(history.evaluations(c) for c in entered):
            while entered and self._whole_cost(entered, rows) > allowance:
                pruned.append((entered.pop(), NO_BUDGET))
        brackets = [
            _Bracket([c for c in bracket if c not in history.pruned], self.rungs(len(bracket), first, rows))
            for bracket, (_, first) in zip(self.deal(entered, rows), self.brackets(rows), strict=True)
        ]
        # All brackets end a rung before any begins its next: a cut run then plans as an uncut one does.
        for level in range(max(len(bracket.rungs) for bracket in brackets)):
            for bracket in brackets:
                pruned += bracket.drop(level, history)
            missing = [pair for bracket in brackets for pair in bracket.missing(level, history)]
            if missing:
                promoted = [p for bracket in brackets for p in bracket.promoted(level)] if level else []
                return Plan(tuple(missing[:allowance]), tuple(promoted), tuple(pruned))
        return Plan((), (), tuple(pruned))

    def _whole_cost(self, cohort: Sequence[str], rows: int) -> int:
        dealt = zip(self.deal(cohort, rows), self.brackets(rows), strict=True)
        return sum(self.cost(len(bracket), first, rows) for bracket, (_, first) in dealt if bracket)


@dataclass
class _Bracket:
    """One bracket while a plan is made."""

    alive: list[str]
    rungs: list[tuple[int, int]]

    def drop(self, level: int, history: History) -> list[tuple[str, str]]:
        """Drop what did not earn the rung; gives them with the reason."""
        if not 0 < level < len(self.rungs):
            return []
        keep, before = self.rungs[level][0], self.rungs[level - 1][1]
        self.alive, dropped = keep_best(self.alive, keep, history, before)
        return [(c, f"not among the best {keep} on {before} rows") for c in dropped]

    def missing(self, level: int, history: History) -> list[tuple[str, str]]:
        """The pairs of the rung that were not tried."""
        if level >= len(self.rungs):
            return []
        return [pair for c in self.alive for pair in untried(c, history, self.rungs[level][1])]

    def promoted(self, level: int) -> list[tuple[str, int]]:
        """Who goes on to the rung, if there is one."""
        return [(c, self.rungs[level][1]) for c in self.alive] if level < len(self.rungs) else []
