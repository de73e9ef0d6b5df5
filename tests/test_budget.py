"""Budgets: what is left never lets a limit be passed."""

from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.budget import UNLIMITED, Budget, Spend, calls_left, forecast, used

counts = st.integers(0, 10**6)
spends = st.builds(Spend, counts, counts, counts)
limits = st.none() | st.integers(1, 10**6)
budgets = st.builds(Budget, limits, limits, limits, st.none() | st.floats(0.1, 10**6))
seconds = st.just(0.0) | st.floats(1e-6, 10**6)


@given(spends, spends, spends)
def test_spend_adds(one: Spend, two: Spend, three: Spend) -> None:
    """Spends add up field by field, in any order."""
    expected = tuple(a + b + c for a, b, c in zip(*map(astuple, (one, two, three)), strict=True))

    assert expected == astuple(one + (two + three)) == astuple((three + one) + two)


@given(st.integers(0, 300), st.lists(st.integers(1, 50)))
def test_calls_never_exceeded(limit: int, wishes: list[int]) -> None:
    """Whoever spends at most what is left never passes the limit of calls."""
    budget, spend = Budget(calls=limit), Spend()
    for wish in wishes:
        spend += Spend(min(wish, calls_left(budget, spend, 0.0)), 100, 10)

    assert spend.calls <= limit
    assert min(limit, sum(wishes)) == spend.calls


@given(st.integers(1, 50), st.integers(1, 10**5), st.integers(1, 20))
def test_tokens_never_exceeded(cost: int, limit: int, batch: int) -> None:
    """Where each call costs the same, the first batch alone can pass a limit of tokens."""
    budget = Budget(calls=2000, completion_tokens=limit)
    spend = Spend(batch, 0, batch * cost)
    while (left := calls_left(budget, spend, 0.0)) > 0:
        spend += Spend(min(left, batch), 0, min(left, batch) * cost)

    assert spend.completion_tokens <= max(limit, batch * cost)


@given(budgets, spends, seconds)
def test_nothing_left_is_zero(budget: Budget, spend: Spend, time: float) -> None:
    """What is left is at least 0 and at most what the calls allow."""
    left = calls_left(budget, spend, time)
    most = UNLIMITED if budget.calls is None else max(0, budget.calls - spend.calls)

    assert 0 <= left <= most


@given(budgets, spends, seconds)
def test_used_up_means_nothing_left(budget: Budget, spend: Spend, time: float) -> None:
    """A limit that is reached leaves no call."""
    if used(budget, spend, time) >= 1:
        assert calls_left(budget, spend, time) == 0


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget(), UNLIMITED),
        (Budget(calls=100), 90),
        (Budget(calls=10), 0),
        (Budget(calls=5), 0),
        (Budget(prompt_tokens=2000), 10),
        (Budget(completion_tokens=100), 40),
        (Budget(seconds=9.0), 20),
        (Budget(calls=100, prompt_tokens=2000, seconds=9.0), 10),
        (Budget(prompt_tokens=900), 0),
    ],
    ids=["none", "calls", "spent", "overspent", "prompt", "completion", "seconds", "tightest", "over-tokens"],
)
def test_calls_left(budget: Budget, expected: int) -> None:
    """Each limit leaves calls at the mean cost so far; the tightest counts."""
    assert expected == calls_left(budget, Spend(10, 1000, 20), 3.0)


def test_calls_left_before_first() -> None:
    """Before the first call only a limit of calls says something."""
    assert calls_left(Budget(calls=7, prompt_tokens=100, seconds=5), Spend(), 0.0) == 7


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget(), 0.0),
        (Budget(calls=40), 0.25),
        (Budget(calls=40, prompt_tokens=2000), 0.5),
        (Budget(calls=40, seconds=4.0), 0.75),
        (Budget(completion_tokens=10), 2.0),
    ],
    ids=["none", "calls", "tokens", "seconds", "over"],
)
def test_used(budget: Budget, expected: float) -> None:
    """The used share is that of the limit nearest to its end."""
    assert expected == used(budget, Spend(10, 1000, 20), 3.0)


def test_forecast() -> None:
    """A forecast spends the whole budget at the sample's cost, with exemplars on top."""
    made = forecast(Budget(calls=1000), sample=Spend(16, 800, 32), seconds=4.0, exemplar_tokens=150.0)

    assert (1000, 200_000, 2000, 250.0, 16) == astuple(made)


@given(st.integers(1, 100), st.integers(1, 10**4), counts, counts)
def test_forecast_within_calls(sampled: int, limit: int, prompt: int, completion: int) -> None:
    """A forecast is of the whole budget, the sample included."""
    made = forecast(
        Budget(calls=limit), sample=Spend(sampled, prompt, completion), seconds=1.0, exemplar_tokens=0.0
    )

    assert limit == made.calls


@pytest.mark.parametrize("limit", [1e308, 1.7e308, 10.0**18])
def test_enormous_limits(limit: float) -> None:
    """A limit that no run can reach is a limit like any other."""
    budget, sample = Budget(seconds=limit), Spend(100)

    assert UNLIMITED == calls_left(budget, sample, 1e-3)
    assert UNLIMITED == forecast(budget, sample=sample, seconds=1e-3, exemplar_tokens=0).calls
