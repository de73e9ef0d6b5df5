"""Good single exemplars first, lists of them then (Shi et al. 2024, TRIPLE: CSAR and SAR).

The paper measures each exemplar as a one-shot prompt, accepts or rejects one after the other, and
shows the accepted: the best of all (CSAR), or the best of each cluster (SAR). Here a turn proposes
prompts with one exemplar until `arms` of them are measured; later turns propose lists of the best.

Deviations: rows are the scheduler's to deal, so its rungs are the phases, and they only reject; nothing
is accepted before the end, and a clear winner saves no calls. A single exemplar costs what any
candidate costs, at least the rows of a first rung, so `arms` is far below the paper's 50 and nothing is
promised of exemplars that were not measured. What an exemplar is worth (`_values`) is taken to hold
for other instructions and layouts too, and worths to add up in a list; the paper assumes the latter.
Only the first list is the paper's answer; the others draw sizes, and worths as uncertain as measured.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from apo.candidate import Candidate
from apo.exemplars._clusters import clusters
from apo.exemplars._draw import draw, fitting, sizes
from apo.history import History
from apo.prompt import Exemplar, Prompt
from apo.view import SearchView

PRIOR_ROWS = 10
"""Rows that the belief weighs that an exemplar is like the average one."""
VARIANCE = 0.25
"""Of one row's score: the most that a score in [0, 1] can have."""


@dataclass(frozen=True, slots=True)
class Value:
    """What one exemplar is worth as the only one, against the average single exemplar."""

    mean: float
    """In [-1, 1], drawn towards 0 where rows are few."""
    deviation: float
    """Standard deviation of the belief."""


@dataclass(frozen=True)
class AcceptReject:
    """Measures `arms` single exemplars, then shows the `size` best, one a cluster if `clustered`."""

    size: int = 4
    arms: int = 12
    clustered: bool = True

    def __post_init__(self) -> None:
        """Check the options."""
        if self.size < 2:
            raise ValueError(f"size must be at least 2, not {self.size}: one alone is no list")
        if self.arms < 2:
            raise ValueError(f"arms must be at least 2, not {self.arms}: one has nothing to be better than")

    def select(
        self, view: SearchView, parent: Candidate, count: int, rng: Random
    ) -> list[tuple[Exemplar, ...]]:
        """Single exemplars while some are missing, else lists of up to `max_exemplars` measured ones."""
        pool = view.pool()
        if view.max_exemplars < 1:
            return []
        values = _values(view.history)
        known = {e: values[e] for e in pool if e in values}
        best_wording = {e.row: e for e in sorted(known, key=lambda e: known[e].mean)}
        worth = {e: known[e] for e in best_wording.values()}
        fresh = self._fresh(view, parent, pool, set(best_wording), rng)
        if missing := fresh[: max(0, self.arms - len(worth))]:
            return [fitting(view, parent, (e,)) for e in missing[:count]]
        return [fitting(view, parent, x) for x in self._lists(view, worth, count, rng)]

    def _fresh(
        self, view: SearchView, parent: Candidate, pool: Sequence[Exemplar], known: set[str], rng: Random
    ) -> list[Exemplar]:
        """Exemplars of rows without a value that were not yet tried around the parent, answers in turn."""
        prompts = [c.prompt for c in view.history.candidates.values() if _single(c.prompt)]
        here = (parent.prompt.instruction, parent.prompt.layout)
        tried = {p.exemplars[0].row for p in prompts if (p.instruction, p.layout) == here}
        return [e for e in draw(pool, len(pool), rng, balanced=True) if e.row not in known | tried]

    def _lists(
        self, view: SearchView, worth: dict[Exemplar, Value], count: int, rng: Random
    ) -> Iterator[tuple[Exemplar, ...]]:
        """First the list of the highest worths, then lists of worths drawn from what is believed."""
        arms = list(worth)
        numbers = [size for size in sizes(view, len(arms)) if size > 1]
        if not numbers:
            return
        points = view.embed([e.input for e in arms])
        for turn in range(count):
            size = rng.choice(numbers) if turn else min(self.size, max(numbers))
            drawn = {e: rng.gauss(v.mean, v.deviation) if turn else v.mean for e, v in worth.items()}
            parts = clusters(points, size, rng) if self.clustered else []
            yield _accepted(drawn, [[arms[place] for place in inside] for inside in parts], size)


def _accepted(
    worth: Mapping[Exemplar, float], parts: Sequence[Sequence[Exemplar]], size: int
) -> tuple[Exemplar, ...]:
    """The best of each part, then the best of all until there are `size`; the best last, next to input."""
    leading = {max(part, key=worth.__getitem__) for part in parts}
    by_rank = sorted(worth, key=lambda e: (e in leading, worth[e]))
    return tuple(sorted(by_rank[-size:], key=worth.__getitem__))


def _single(prompt: Prompt) -> bool:
    return len(prompt.exemplars) == 1 and prompt.nearest is None


def _values(history: History) -> dict[Exemplar, Value]:
    """What single exemplars are worth, as far as the history tells.

    In one setting (instruction and layout) an exemplar is compared with the average of the others there;
    one that is alone in its setting tells nothing. Rows of several settings are put together.
    """
    settings = defaultdict(list)
    for candidate in history.candidates.values():
        prompt = candidate.prompt
        if _single(prompt) and (found := _one_shot(history, candidate)):
            settings[prompt.instruction, prompt.layout].append((prompt.exemplars[0], *found))
    total: dict[Exemplar, float] = defaultdict(float)
    rows: dict[Exemplar, int] = defaultdict(int)
    for measured in settings.values():
        if len(measured) > 1:
            average = fmean(mean for _, mean, _ in measured)
            for exemplar, mean, number in measured:
                total[exemplar] += number * (mean - average)
                rows[exemplar] += number
    return {e: _shrunk(total[e], rows[e]) for e in total}


def _shrunk(total: float, rows: int) -> Value:
    """The mean of `rows` differences with that total, after PRIOR_ROWS that were 0."""
    weight = rows + PRIOR_ROWS
    return Value(total / weight, math.sqrt(VARIANCE / weight))


def _one_shot(history: History, candidate: Candidate) -> tuple[float, int] | None:
    """A candidate's mean on all dev rows, estimated, and its rows; None if it shares none with its parent.

    Candidates met different rows, so its difference to its parent on shared rows is added to the
    parent's mean.
    """
    parent = next(iter(candidate.parents), "")
    mine, base = history.scores(candidate.id), history.scores(parent)
    differences = [value - base[example] for example, value in mine.items() if example in base]
    if not differences:
        return None
    return history.mean(parent) + fmean(differences), len(differences)
