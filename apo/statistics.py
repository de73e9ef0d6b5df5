"""How sure a score is: intervals for means and for paired differences, at 95 %."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)
RESAMPLES = 2000
LEAST_ROWS = 10
"""Rows below which resampling them says too little."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval, over n rows; a mean of no rows is nan-free: all zero, n = 0."""

    mean: float
    low: float
    high: float
    n: int


EMPTY = Interval(0.0, 0.0, 0.0, 0)


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of scores in [0, 1] with its interval, whatever their order.

    Wilson's interval if all scores are 0 or 1, and also for few graded ones, where it is too wide
    rather than too narrow (no variable in [0, 1] varies more); else bootstrap percentiles.
    """
    if not values:
        return EMPTY
    if len(values) < LEAST_ROWS or all(v in (0.0, 1.0) for v in values):
        return wilson(math.fsum(values), len(values))
    return bootstrap(sorted(values))


def wilson(successes: float, n: int) -> Interval:
    """Wilson's score interval for a share (Wilson 1927); n at least 1."""
    p = min(1.0, successes / n)
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return Interval(p, max(0.0, centre - half), min(1.0, centre + half), n)


def bootstrap(values: Sequence[float]) -> Interval:
    """Percentiles of the means of resampled rows (Efron 1979), always from the same draws."""
    import numpy as np

    rows = np.asarray(values, dtype=np.float64)  # shape: n
    draws = np.random.default_rng(0).integers(0, len(rows), size=(RESAMPLES, len(rows)))
    means = rows[draws].mean(axis=1)  # shape: RESAMPLES
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(math.fsum(values) / len(rows), float(low), float(high), len(rows))


def paired_difference(ours: Mapping[str, float], theirs: Mapping[str, float]) -> Interval:
    """Ours minus theirs over the rows that both hold, with a bootstrap interval of the row differences.

    Pairing removes the rows' own difficulty, so it is sharper than comparing two intervals. Fewer than
    LEAST_ROWS rows tell nothing: the interval is the whole range from -1 to 1.
    """
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        return EMPTY
    differences = [ours[row] - theirs[row] for row in shared]
    if len(shared) < LEAST_ROWS:
        return Interval(math.fsum(differences) / len(shared), -1.0, 1.0, len(shared))
    return bootstrap(differences)
