"""Climbing rungs: a cohort meets more and more rows, and fewer of it go on each time."""

from collections.abc import Callable, Iterable, Sequence

from apo.history import History
from apo.schedulers import NO_BUDGET, Plan, keep_best, untried

Rung = tuple[int, int]
"""How many candidates climb it, and how many of the first dev rows they have met at its end."""


def enter(
    cohort: Sequence[str], history: History, allowance: int, cost: Callable[[int], int]
) -> tuple[list[str], list[tuple[str, str]]]:
    """The candidates that begin, and those that there is no budget for, with the reason.

    A new cohort is cut from its end until its `cost`, a function of its size, is within the allowance;
    one that has begun stays as it is, with those that were dropped since.
    """
    entered = [c for c in cohort if c not in history.pruned or history.evaluations(c)]
    cut: list[tuple[str, str]] = []
    if not any(history.evaluations(c) for c in entered):
        while entered and cost(len(entered)) > allowance:
            cut.append((entered.pop(), NO_BUDGET))
    return entered, cut


def cost(rungs: Sequence[Rung]) -> int:
    """Evaluations from the first row to the last rung's end; rows that were met are not asked again."""
    starts = [0, *(upto for _, upto in rungs)]
    return sum(kept * (upto - start) for (kept, upto), start in zip(rungs, starts, strict=False))


def ladder(rungs: Iterable[Rung], rows: int) -> list[Rung]:
    """Rungs of one row at least, up to the first that holds all `rows`; where none does, one goes on."""
    found: list[Rung] = []
    for keep, upto in rungs:
        found.append((keep, min(rows, max(1, upto))))
        if found[-1][1] == rows:
            return found
    return [*found, (1, rows)]


def climb(
    cohort: Sequence[str], history: History, allowance: int, rungs: Callable[[int], Sequence[Rung]]
) -> Plan:
    """The first rung that is not complete, after dropping what did not earn it.

    `rungs` says which ones a cohort of some size has; a new cohort is cut to what the allowance can
    bring to the last one.
    """
    entered, pruned = enter(cohort, history, allowance, lambda size: cost(rungs(size)))
    alive = [c for c in entered if c not in history.pruned]
    before = 0
    for keep, upto in rungs(len(entered)):
        alive, dropped = keep_best(alive, keep, history, before)
        pruned += [(c, f"not among the best {keep} on {before} rows") for c in dropped]
        missing = [pair for c in alive for pair in untried(c, history, upto)]
        if missing:
            promoted = tuple((c, upto) for c in alive) if before else ()
            return Plan(tuple(missing[:allowance]), promoted, tuple(pruned))
        before = upto
    return Plan((), (), tuple(pruned))
