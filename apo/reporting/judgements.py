"""How a surrogate did, step by step: its order, its intervals, and what was lost by following it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from apo.calibration import calibration, rank_correlation
from apo.history import History


@dataclass(frozen=True, slots=True)
class Judgement:
    """The candidates of one step that were judged before they were evaluated."""

    step: int
    component: str
    judged: int
    """How many those are, at least 1."""
    rank: float | None
    """Spearman's rank correlation of predicted and measured; None where either does not vary."""
    inside: int
    """How many were measured inside their 95 % interval."""
    error: float
    """Root of the mean squared difference of predicted and measured, a share."""
    regret: float
    """How far their measured mean is below the run's best dev mean, on average."""
    left: float
    """How far the best after this step is below the run's best; simple regret, as far as it can be known."""


def judgements(history: History) -> tuple[Judgement, ...]:
    """One for each step with candidates that were predicted and measured, in order.

    The true best is not known, so regret is of what the run's best reached on the dev rows.
    """
    after = dict(_best_after(history))
    top = max(after.values(), default=0.0)
    found = []
    for step, group in groupby(calibration(history).pairs, key=lambda pair: pair.step):
        pairs = list(group)
        found.append(
            Judgement(
                step,
                history.steps[step].component,
                len(pairs),
                rank_correlation(pairs),
                sum(pair.inside for pair in pairs),
                fmean((pair.measured - pair.predicted.mean) ** 2 for pair in pairs) ** 0.5,
                top - fmean(pair.measured for pair in pairs),
                top - after[step],
            )
        )
    return tuple(found)


def _best_after(history: History) -> Iterator[tuple[int, float]]:
    """By step the best mean so far of a candidate that met every dev row; 0 before there is one."""
    best = 0.0
    for step in history.steps:
        means = (history.mean(c) for c in step.cohort if history.is_full(c))
        best = max(best, *means, 0.0)
        yield step.number, best
