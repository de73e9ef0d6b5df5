"""The winner's dev score, corrected for having been picked as the best of many."""

from collections.abc import Mapping

from apo.statistics import Interval, mean_interval


def corrected(scores: Mapping[str, Mapping[str, float]], winner: str) -> Interval:
    """To come."""
    return mean_interval(list(scores[winner].values()))
