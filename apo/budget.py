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

    def __add__(self, other: "Spend") -> "Spend":
        """Both together."""
        return Spend(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached + other.cached,
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


def calls_left(budget: Budget, spend: Spend, seconds: float) -> int:
    """How many more calls fit every limit, at the mean cost of a call so far.

    Exact for `calls`; for tokens and seconds an estimate, since a call's cost is known afterwards.
    """
    left = [UNLIMITED if budget.calls is None else budget.calls - spend.calls]
    made = max(spend.calls, 1)
    for amount, limit in (
        (float(spend.prompt_tokens), budget.prompt_tokens),
        (float(spend.completion_tokens), budget.completion_tokens),
        (seconds, budget.seconds),
    ):
        if limit is not None and amount > 0:
            left.append(int(min(UNLIMITED, (limit - amount) / (amount / made))))
    return max(0, min(left))


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
