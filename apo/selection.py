"""The winner's dev score, corrected for having been picked as the best of many.

The best of 32 equally good prompts looks far better than it is, because the luckiest was picked. The
correction is empirical Bayes: what is known of all candidates together says how far a score may be
luck, and a posterior does not care how its candidate was picked. So it also holds where a scheduler
dropped the others early, on their first rows: their scores there count for what they are.

The model is a product partition model (Hartigan 1990; Barry & Hartigan 1992): candidates fall into
groups of equally good ones, a group's true score is uniform in [0, 1], and the partition has the prior
of a Dirichlet process with concentration 1 (Ferguson 1973; as cohesions, Quintana & Iglesias 2003).
Scores count as shares out of n rows with a dispersion (quasi-binomial, Wedderburn 1974), which makes
one formula of right/wrong and of graded scores.

Deviations: only groups of neighbours in the order of scores are summed over, which makes the sum exact
and fast; a group's mean is taken as such, not drawn towards 1/2; rows' own difficulty is estimated
beside the candidates (two-way random effects by moments, Henderson 1953) and taken out of the
comparison; the interval is not the posterior's but the plain one, reaching further down. What else was
tried is in ARCHITECTURE.md, and results/benchmarks/honesty.md measures where the correction is off.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo.statistics import EMPTY, LEAST_ROWS, Interval, mean_interval, wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from apo.arrays import Floats

CLOSE, FAR = 60, 130
"""Of the places in the order where groups may part: all so near to the winner, and how many elsewhere."""
PRIOR_ROWS = 5
"""Weight of the belief that scores vary like right/wrong ones, in degrees of freedom."""
LEAST_DISPERSION = 1e-3
"""Below it scores are as good as exact."""


@dataclass(frozen=True, slots=True)
class _Table:
    """Scores of k candidates on n rows; each candidate and each row has at least one."""

    scores: "Floats"
    """Shape (k, n), in [0, 1]; 0 where missing."""
    there: "Floats"
    """Shape (k, n): 1 where there is a score, else 0."""
    winner: int
    """Place of the winner among the k."""


def corrected(scores: Mapping[str, Mapping[str, float]], winner: str) -> Interval:
    """The winner's mean score without the luck of having been picked, with a 95 % interval.

    Args:
        scores: candidate id to row id to score in [0, 1]. All that might have won, those dropped early
            too, with the rows that they met. Order means nothing, in neither.
        winner: the id of the one that was picked; it has all rows, but for failures.

    The mean is at most the plain one and at least 0; if no other candidate has a score, the result is
    `mean_interval`. A winner without a score gives EMPTY. n counts the winner's rows.

    The interval holds the plain one: its lower end is that around the corrected mean, its upper end is
    the plain one's, since being picked makes a score only too high. So wherever the plain interval
    holds the truth this one does, also where the correction goes too far (a prompt much better than a
    crowd of equal ones).

    Of thousands of candidates the crowd far from the winner is parted in steps of its order rather
    than one by one; memory is a few arrays of candidates x rows.

    Raises:
        KeyError: the winner is not among the candidates.
    """
    mine = scores[winner]
    if not mine:
        return EMPTY
    naive = mean_interval(list(mine.values()))
    met = {name: theirs for name, theirs in scores.items() if theirs}
    if len(met) == 1:
        return naive
    mean = min(naive.mean, max(0.0, _true_mean(_table(met, winner))))
    return Interval(mean, _low(mine.values(), naive, mean), naive.high, naive.n)


def _low(values: Collection[float], naive: Interval, mean: float) -> float:
    """The lower end of the interval that `mean_interval` would put around the corrected mean."""
    if naive.n < LEAST_ROWS or all(v in (0.0, 1.0) for v in values):
        return min(naive.low, wilson(mean * naive.n, naive.n).low)
    return max(0.0, naive.low - (naive.mean - mean))


def _table(scores: Mapping[str, Mapping[str, float]], winner: str) -> _Table:
    import numpy as np

    names = sorted(scores)
    rows = sorted(set().union(*scores.values()))
    place = {row: number for number, row in enumerate(rows)}
    values = np.zeros((len(names), len(rows)))
    there = np.zeros_like(values)
    for number, name in enumerate(names):
        met = [place[row] for row in scores[name]]
        values[number, met] = list(scores[name].values())
        there[number, met] = 1.0
    return _Table(values, there, names.index(winner))


def adjusted(scores: Mapping[str, Mapping[str, float]]) -> tuple[dict[str, float], float]:
    """Mean scores as on rows of average difficulty, by candidate id, and the scores' dispersion.

    Every candidate has at least one score. The dispersion, in (0, 1], is the variance of scores around
    what candidate and row let expect, by that of right/wrong ones.
    """
    means, dispersion = _adjust(_table(scores, min(scores)))
    return dict(zip(sorted(scores), (float(mean) for mean in means), strict=True)), dispersion


def _true_mean(table: _Table) -> float:
    """The winner's posterior mean, in [0, 1]."""
    shares, dispersion = _adjust(table)
    rows = table.there.sum(axis=1) / dispersion
    return float(_posterior_means(shares, rows, table.winner)[table.winner])


def _adjust(table: _Table) -> "tuple[Floats, float]":
    """Candidates' scores as on rows of average difficulty (shape k), and their dispersion in (0, 1].

    The model is score = candidate's mean + row's difficulty + noise. The difficulty is drawn towards 0
    as far as rows do not differ by more than noise. The dispersion is the noise's variance by that of
    right/wrong scores with the same means; rows that are hard for all make it smaller. One pass,
    which takes out about half of what a candidate's own rows were easier: rows are dealt by chance, and
    more passes changed nothing that could be measured.
    """
    import numpy as np

    there, counts, met = table.there, table.there.sum(axis=1), table.there.sum(axis=0)
    rest = (table.scores - (table.scores.sum(axis=1) / counts)[:, None]) * there
    by_row = rest.sum(axis=0)  # shape: n
    between = float((by_row**2 / met).sum())
    within = max(0.0, float((rest**2).sum()) - between)
    freedom = max(0.0, float(counts.sum()) - len(met) - len(counts) + 1)
    noise = within / max(freedom, 1.0)
    difficulty = max(0.0, (between - len(met) * noise) / float(counts.sum()))
    shrunk = by_row * difficulty / np.maximum(difficulty * met + noise, 1e-12)
    shrunk -= shrunk.mean()
    adjusted = np.clip((table.scores - shrunk * there).sum(axis=1) / counts, 0.0, 1.0)
    binary = float((adjusted * (1 - adjusted) * counts).sum() / counts.sum())
    if binary <= 0:
        return adjusted, 1.0
    dispersion = (within / binary + PRIOR_ROWS) / (freedom + PRIOR_ROWS)
    return adjusted, min(1.0, max(LEAST_DISPERSION, dispersion))


def _posterior_means(shares: "Floats", rows: "Floats", winner: int) -> "Floats":
    """Candidates' means (shape k), averaged over all partitions into groups of neighbours in their order.

    `shares` (shape k, in [0, 1]) out of `rows` (shape k, positive, not whole). The sum over partitions
    is done forwards and backwards along the order (Barry & Hartigan 1992, Yao 1984).
    """
    import numpy as np

    k = len(shares)
    order = np.lexsort((np.arange(k) == winner, rows, shares))  # of equal ones the winner is last
    cuts = _cuts(k, int(np.flatnonzero(order == winner)[0]))
    right, tried = (np.concatenate(([0.0], np.cumsum(v[order])))[cuts] for v in (shares * rows, rows))
    first, last = np.triu_indices(len(cuts), 1)
    hits, sums = right[last] - right[first], tried[last] - tried[first]
    weight = np.full((len(cuts), len(cuts)), -np.inf)
    weight[first, last] = _log_group(hits, sums, cuts[last] - cuts[first])
    value = np.zeros_like(weight)
    value[first, last] = hits / sums
    # Of the groups [a, b), those with a <= place < b hold a candidate: sum over their corner.
    corner = np.cumsum(_group_shares(weight) * value, axis=0)[:, ::-1].cumsum(axis=1)[:, ::-1]
    means = np.empty(k)
    means[order] = np.repeat(np.diagonal(corner, 1), np.diff(cuts))
    return means


def _cuts(k: int, place: int) -> "NDArray[np.int64]":
    """Where groups may begin and end among k candidates: everywhere, unless there are very many."""
    import numpy as np

    if k <= 2 * CLOSE + FAR:
        return np.arange(k + 1)
    near = np.arange(max(0, place - CLOSE), min(k, place + CLOSE) + 1)
    return np.unique(np.concatenate((np.linspace(0, k, FAR).astype(np.int64), near)))


def _log_group(hits: "Floats", rows: "Floats", size: "NDArray[np.int64]") -> "Floats":
    """Log of (size - 1)! times the chance of the scores in a group of one true score, uniform in [0, 1]."""
    import numpy as np

    log_gamma = np.frompyfunc(math.lgamma, 1, 1)
    misses = np.maximum(rows - hits, 0.0)
    total = log_gamma(hits + 1) + log_gamma(misses + 1) - log_gamma(rows + 2) + log_gamma(size)
    return np.asarray(total, dtype=np.float64)


def _group_shares(weight: "Floats") -> "Floats":
    """How likely each group [a, b) is a part of the partition, from all groups' log weights (c, c)."""
    import numpy as np

    c = len(weight)
    before, after = np.full(c, -np.inf), np.full(c, -np.inf)
    before[0] = after[-1] = 0.0
    for end in range(1, c):
        before[end] = np.logaddexp.reduce(before[:end] + weight[:end, end])
    for begin in range(c - 2, -1, -1):
        after[begin] = np.logaddexp.reduce(weight[begin, begin + 1 :] + after[begin + 1 :])
    return np.asarray(np.exp(before[:, None] + weight + after[None, :] - before[-1]), dtype=np.float64)
