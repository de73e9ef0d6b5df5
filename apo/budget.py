"""Limits, what was used, and what that leaves; arithmetic only."""

from dataclasses import dataclass

UNLIMITED = 10**9
"""Calls left where no limit is set."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits over all roles together; None means no limit."""

    calls: int | None = None
    """Completions asked for."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    """Wall-clock time of the search, over all its sessions."""


@dataclass(frozen=True, slots=True)
class Spend:
    """What was used; each field is at least 0."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: int = 0
    """Of the calls, those that the cache answered. They count like the others, so that a run does the
    same whatever the cache holds."""
    seconds: float = 0.0
    """Of work in this process that is no call (the white box); the run's clock counts it too."""

    def __add__(self, other: "Spend") -> "Spend":
        """Both together."""
        return Spend(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached + other.cached,
            self.seconds + other.seconds,
        )


def used(budget: Budget, spend: Spend, seconds: float) -> float:
    """The used share of the limit that is nearest to its end; 0 where nothing is limited.

    Above 1 only for tokens and time, by what the last rung took, since a call's cost is known afterwards.
    """
    pairs = (
        (spend.calls, budget.calls),
        (spend.prompt_tokens, budget.prompt_tokens),
        (spend.completion_tokens, budget.completion_tokens),
        (seconds, budget.seconds),
    )
    return max((amount / limit for amount, limit in pairs if limit), default=0.0)


def calls_left(budget: Budget, spend: Spend, seconds: float, aside: Spend = Spend()) -> int:
    """How many more calls fit every limit, at the mean cost of a call so far.

    Exact for `calls`; for tokens and seconds an estimate, since a call's cost is known afterwards.

    Args:
        budget: the limits.
        spend: all that was used.
        seconds: all the time that was used.
        aside: what of it was no call's: it is gone, but the next calls do not cost it again.
    """
    left = [UNLIMITED if budget.calls is None else budget.calls - spend.calls]
    made = max(spend.calls, 1)
    for amount, apart, limit in (
        (float(spend.prompt_tokens), aside.prompt_tokens, budget.prompt_tokens),
        (float(spend.completion_tokens), aside.completion_tokens, budget.completion_tokens),
        (seconds, aside.seconds, budget.seconds),
    ):
        if limit is not None and amount > 0:
            each = max(amount - apart, 0.0) / made
            left.append(int(min(UNLIMITED, max(0.0, limit - amount) / max(each, 1 / UNLIMITED))))
    return max(0, min(left))


def rest(budget: Budget, spend: Spend, seconds: float) -> Budget:
    """What each limit leaves; at least 1, since a limit of nothing would be none."""

    def left(limit: int | None, amount: int) -> int | None:
        return None if limit is None else max(1, limit - amount)

    return Budget(
        left(budget.calls, spend.calls),
        left(budget.prompt_tokens, spend.prompt_tokens),
        left(budget.completion_tokens, spend.completion_tokens),
        None if budget.seconds is None else max(1.0, budget.seconds - seconds),
    )


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run will use, from its limits and the cost of its first rows."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    measured_on: int
    """Answered rows that the estimate stands on."""


def forecast(budget: Budget, *, sample: Spend, seconds: float, exemplar_tokens: float) -> Forecast:
    """What spending the whole budget will use.

    Args:
        budget: the limits.
        sample: the spend on the first rows (at least one call), all answered by the seed prompt.
        seconds: wall-clock time that the sample took.
        exemplar_tokens: prompt tokens that exemplars add to an average later call; the sample has none.
    """
    prompt = sample.prompt_tokens / sample.calls + exemplar_tokens
    completion = sample.completion_tokens / sample.calls
    each = seconds / sample.calls
    limits = [UNLIMITED if budget.calls is None else budget.calls]
    for cost, limit in (
        (prompt, budget.prompt_tokens),
        (completion, budget.completion_tokens),
        (each, budget.seconds),
    ):
        if limit is not None and cost > 0:
            limits.append(int(min(UNLIMITED, limit / cost)))
    calls = min(limits)
    return Forecast(calls, round(calls * prompt), round(calls * completion), calls * each, sample.calls)
