"""How sure a score is, and whether two differ: intervals at 95 %, the sign test, how many rows it takes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

Z = NormalDist().inv_cdf(0.975)
RESAMPLES = 2000
LEAST_ROWS = 10
"""Rows below which resampling them says too little."""
ALPHA, POWER = 0.05, 0.80
"""Of `visible_gain`: how often nothing may pass for a gain (one-sided), how often a gain must be seen."""
NOISE = (NormalDist().inv_cdf(1 - ALPHA) + NormalDist().inv_cdf(POWER)) ** 2
"""Squared standard errors (6.18) that a gain must measure to be seen that often."""
DISCORDANT = 0.2
"""Share of rows that one of two prompts gets right and the other wrong, if nothing is known of it."""


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
    means = rows[_draws(len(rows))].mean(axis=1)  # shape: RESAMPLES
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(math.fsum(values) / len(rows), float(low), float(high), len(rows))


@lru_cache(maxsize=8)
def _draws(n: int) -> Any:
    """Which of n rows each resample holds; shape: RESAMPLES, n. Making them takes most of a bootstrap."""
    import numpy as np

    return np.random.default_rng(0).integers(0, n, size=(RESAMPLES, n))


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


@dataclass(frozen=True, slots=True)
class Sign:
    """On how many rows one side did better, and how likely so uneven a split is by chance."""

    wins: int
    losses: int
    p: float
    """Two-sided, at most 1; 1 if no row differs, 0 only where it is too small for a float."""


def sign_test(ours: Mapping[str, float], theirs: Mapping[str, float]) -> Sign:
    """The exact sign test over the rows that both answered and on which they differ.

    For right/wrong scores this is McNemar's test (1947) with exact binomial chances, which hold for few
    rows too. Of graded scores only the direction counts, not by how much they differ.
    """
    shared = ours.keys() & theirs.keys()
    wins = sum(ours[row] > theirs[row] for row in shared)
    losses = sum(ours[row] < theirs[row] for row in shared)
    n = wins + losses
    splits, at_least_as_uneven = 1, 0
    for fewer in range(min(wins, losses) + 1):
        at_least_as_uneven += splits
        splits = splits * (n - fewer) // (fewer + 1)
    return Sign(wins, losses, min(1.0, 2 * at_least_as_uneven / 2**n))


def visible_gain(rows: int, discordant: float = DISCORDANT) -> float:
    """The smallest gain (share, 0 to 1) that so many paired rows tell from noise, as ALPHA and POWER say.

    Solves n = NOISE (d - g^2) / g^2 for the gain g, d being the share of `discordant` rows (Connor 1987
    without his second variance term). A gain needs at least as many discordant rows as it has: with so
    few rows that g would pass d (below 25 at d = .2), every discordant row is taken for a win, d = g, so
    g = NOISE / (n + NOISE), rising to 1 for no row. The normal approximation is rough there.

    Raises:
        ValueError: rows below 0, or discordant not in (0, 1].
    """
    if rows < 0 or not 0 < discordant <= 1:
        raise ValueError(f"rows must be at least 0 and discordant in (0, 1], not {rows} and {discordant}")
    return max(min(math.sqrt(NOISE * discordant / (rows + NOISE)), discordant), NOISE / (rows + NOISE))


def rows_needed(gain: float, discordant: float = DISCORDANT) -> int:
    """The paired rows on which `visible_gain` is at most `gain` (in (0, 1]); at least 1.

    Raises:
        ValueError: gain or discordant not in (0, 1].
    """
    if not 0 < gain <= 1 or not 0 < discordant <= 1:
        raise ValueError(f"gain and discordant must be in (0, 1], not {gain} and {discordant}")
    rows = NOISE * (max(discordant, gain) - gain**2) / gain**2
    return max(1, math.ceil(rows - 1e-9))
