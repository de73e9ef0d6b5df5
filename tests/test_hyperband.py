"""Hyperband: its brackets, what they cost, and who goes on in each."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo.errors import ConfigError
from apo.history import History
from apo.plugins import build
from apo.schedulers.hyperband import Hyperband
from tests.test_successive_halving import new_store, play

HALVING = Hyperband(eta=2, least_rows=10)
WORKED = [
    [(8, 10), (4, 20), (2, 40), (1, 80)],
    [(6, 20), (3, 40), (1, 80)],
    [(4, 40), (2, 80)],
    [(4, 80)],
]
"""The table of HbBoPs for 80 rows: prompts and rows of each rung, bracket by bracket."""


def whole_cost(rows: int) -> int:
    """Evaluations of all brackets at their full size."""
    return sum(HALVING.cost(prompts, first, rows) for prompts, first in HALVING.brackets(rows))


def test_worked_brackets() -> None:
    """The brackets on 80 rows are those of the paper's table."""
    rungs = [HALVING.rungs(prompts, first, 80) for prompts, first in HALVING.brackets(80)]

    assert WORKED == rungs


@pytest.mark.parametrize(("rows", "full"), [(80, 12.25), (320, 25.0)])
def test_worked_costs(rows: int, full: float) -> None:
    """All brackets cost so many full evaluations when nested rows are reused."""
    assert full == whole_cost(rows) / rows


def test_a_full_cohort_fills_the_brackets() -> None:
    """Twenty-two prompts on 80 rows fill the brackets as the table says, each prompt once."""
    cohort = [f"c{n}" for n in range(22)]
    dealt = HALVING.deal(cohort, 80)

    assert [8, 6, 4, 4] == [len(bracket) for bracket in dealt]
    assert sorted(cohort) == sorted(c for bracket in dealt for c in bracket)


def test_every_bracket_is_played() -> None:
    """A full cohort costs what the brackets cost, and each bracket's best meets all rows."""
    store = new_store(80, [str(n) for n in range(22)])
    means = [n / 22 for n in range(22)]
    rounds = play(HALVING, store, means)
    history = History(store.read())
    full = {c for c in history.candidates if history.is_full(c)}
    best = {max(bracket, key=lambda c: int(c[1:])) for bracket in HALVING.deal(list(history.candidates), 80)}

    assert 980 == sum(sum(asked.values()) for asked in rounds)
    assert best <= full
    assert 1 + 1 + 2 + 4 == len(full)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 120), st.integers(2, 4), st.integers(1, 20))
def test_a_cohort_of_any_size_is_dealt_once(cohort: int, rows: int, eta: int, least: int) -> None:
    """Every candidate is in one bracket, and rungs end with all rows."""
    scheduler = Hyperband(eta, least)
    names = [f"c{n}" for n in range(cohort)]

    assert sorted(names) == sorted(c for bracket in scheduler.deal(names, rows) for c in bracket)
    for prompts, first in scheduler.brackets(rows):
        rungs = scheduler.rungs(prompts, first, rows)
        assert rows == rungs[-1][1]
        assert all(a[0] >= b[0] >= 1 and a[1] < b[1] for a, b in pairwise(rungs))


@pytest.mark.parametrize("options", ["eta=1", "least_rows=0"])
def test_options_refused(options: str) -> None:
    """Options that make no brackets are refused."""
    with pytest.raises(ConfigError, match="must be at least"):
        build("schedulers", f"hyperband:{options}")
