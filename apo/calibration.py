"""How good a surrogate's predictions were: predicted against measured scores, order and coverage.

Whether it can tell good from bad is asked within steps only. Over a whole search scores rise, and a
surrogate that knew nothing but the step would seem to rank well; yet what it is used for is to choose
among the proposals of one step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from apo.candidate import Prediction
from apo.history import History
from apo.statistics import EMPTY, Interval, Z, wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_FREEDOM = 10
"""Comparable candidates (one less for each step) below which too little is known of a surrogate."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One candidate: what was expected of it, and what was measured."""

    candidate: str
    step: int
    predicted: Prediction
    measured: float
    """Mean over the answered dev rows, in [0, 1]."""
    rows: int
    """How many those are, at least 1."""
    screened: bool
    """Whether the prediction had a say in the candidate being made at all."""

    @property
    def deviation(self) -> float:
        """Of the measured mean around the predicted one, in the surrogate's belief.

        Law of total variance, for a true score p with mean m and deviation d, and a binomial mean of n rows:
        d² + (m (1 - m) - d²) / n. Graded scores vary less than right/wrong ones, so it is wide for them.
        """
        mean, own = min(1.0, max(0.0, self.predicted.mean)), self.predicted.deviation**2
        return math.sqrt(own + max(0.0, mean * (1 - mean) - own) / self.rows)

    @property
    def inside(self) -> bool:
        """Whether the measured mean lies in the 95 % interval around the predicted one."""
        return abs(self.measured - self.predicted.mean) <= Z * self.deviation


@dataclass(frozen=True, slots=True)
class Calibration:
    """Predicted against measured over a run."""

    pairs: tuple[Pair, ...]
    """By step, then by age; only candidates that were both predicted and measured."""
    rank: float | None
    """Spearman's rank correlation over all pairs; None where either side does not vary."""
    within: float | None
    """The same within steps, averaged with weights n - 1; None without a step where both sides vary."""
    freedom: int
    """The sum of those weights."""
    chance: float
    """How likely `within` would be as high if the surrogate knew nothing; 1 without any."""
    coverage: Interval
    """Share of pairs inside their 95 % intervals; it should be .95."""
    error: float
    """Root of the mean squared difference of predicted and measured; 0 without pairs."""

    @property
    def in_vain(self) -> bool:
        """Whether enough is known of the surrogate, and it is no better than chance (10 % level)."""
        return self.freedom >= LEAST_FREEDOM and self.chance > 0.1


def calibration(history: History) -> Calibration:
    """All predictions of a run that were followed by a measurement, however few rows it has so far.

    The chance is one-sided, from the normal approximation of the permutation distribution: of values in
    random order a correlation has exactly the variance 1 / (n - 1), ties or not (Pitman 1937), so the
    weighted mean over steps has 1 / `freedom`.
    """
    pairs = tuple(_pairs(history))
    steps: dict[int, list[Pair]] = {}
    for pair in pairs:
        steps.setdefault(pair.step, []).append(pair)
    each = [(len(those) - 1, rank_correlation(those)) for those in steps.values()]
    ranked = [(weight, found) for weight, found in each if found is not None]
    freedom = sum(weight for weight, _ in ranked)
    within = sum(weight * found for weight, found in ranked) / freedom if freedom else None
    return Calibration(
        pairs=pairs,
        rank=rank_correlation(pairs),
        within=within,
        freedom=freedom,
        chance=1.0 if within is None else NormalDist().cdf(-within * math.sqrt(freedom)),
        coverage=wilson(sum(pair.inside for pair in pairs), len(pairs)) if pairs else EMPTY,
        error=math.sqrt(sum((p.measured - p.predicted.mean) ** 2 for p in pairs) / max(len(pairs), 1)),
    )


def _pairs(history: History) -> "list[Pair]":
    return [
        Pair(
            candidate,
            step.number,
            history.predictions[candidate],
            history.mean(candidate),
            len(history.scores(candidate)),
            step.screened,
        )
        for step in history.steps
        for candidate in step.proposed or ()
        if candidate in history.predictions and history.scores(candidate)
    ]


def rank_correlation(pairs: Sequence[Pair]) -> float | None:
    """Spearman's, of predicted and measured; equal values share a rank. None if either is constant."""
    if len(pairs) < 2:
        return None
    import numpy as np
    from scipy.stats import rankdata

    def ranks(values: list[float]) -> "NDArray[np.float64]":
        found: NDArray[np.float64] = rankdata(values) - (len(values) + 1) / 2
        return found

    ours, theirs = ranks([p.predicted.mean for p in pairs]), ranks([p.measured for p in pairs])
    scale = math.sqrt(float(ours @ ours) * float(theirs @ theirs))
    return float(ours @ theirs) / scale if scale > 0 else None
