"""Successive rejects: how long phases are, who is dropped, and what it costs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo.errors import ConfigError
from apo.history import History
from apo.plugins import build
from apo.schedulers._rungs import cost
from apo.schedulers.successive_rejects import SuccessiveRejects, phases
from tests.test_successive_halving import new_store, play


def test_worked_phases() -> None:
    """Eight arms, a hundred evaluations: each arm left has had 6, 6, 7, 9, 11, 14 and 21 of them."""
    assert [6, 6, 7, 9, 11, 14, 21] == phases(8, 100)


@pytest.mark.parametrize(
    ("arms", "budget", "ends"),
    [
        pytest.param(1, 50, [], id="one_arm"),
        pytest.param(2, 50, [24], id="two_arms"),
        pytest.param(3, 51, [12, 18], id="exact_division"),
        pytest.param(4, 4, [0, 0, 0], id="nothing_to_spend"),
    ],
)
def test_phases(arms: int, budget: int, ends: list[int]) -> None:
    """One phase less than there are arms; whole quotients are not rounded up."""
    assert ends == phases(arms, budget)


@given(st.integers(2, 60), st.integers(0, 5000))
def test_phases_keep_the_budget(arms: int, more: int) -> None:
    """All phases together take no more than the budget, which gives each arm one evaluation at least."""
    ends = phases(arms, arms + more)

    assert ends == sorted(ends)
    assert sum(ends) + ends[-1] <= arms + more


def test_one_is_dropped_a_phase() -> None:
    """Of five candidates the worst goes first, one after each phase, and the best meets all rows."""
    scheduler = SuccessiveRejects(0.5)
    store = new_store(40, ["x"] * 5)
    rounds = play(scheduler, store, [0.3, 0.1, 0.9, 0.5, 0.7])
    history = History(store.read())

    assert ["c1", "c0", "c3", "c4"] == list(history.pruned)
    assert [5, 4, 3, 2, 1] == [len(asked) for asked in rounds]
    assert [upto for _, upto in scheduler.ladder(5, 40)] == [
        len(history.evaluations(c)) for c in (*history.pruned, "c2")
    ]
    assert history.is_full("c2")


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 40), st.floats(0.01, 1))
def test_cost_is_what_is_spent(cohort: int, rows: int, share: float) -> None:
    """A cohort that may be finished takes exactly what was foretold, never more than all rows for all."""
    scheduler = SuccessiveRejects(share)
    rounds = play(scheduler, new_store(rows, ["x"] * cohort), [n / cohort for n in range(cohort)])

    assert cost(scheduler.ladder(cohort, rows)) == sum(sum(asked.values()) for asked in rounds)
    assert cost(scheduler.ladder(cohort, rows)) <= cohort * rows


@pytest.mark.parametrize("options", ["share=0", "share=1.1", "share=nan"])
def test_options_refused(options: str) -> None:
    """A share that is none is refused."""
    with pytest.raises(ConfigError, match="share must be above 0 and at most 1"):
        build("schedulers", f"successive_rejects:{options}")
