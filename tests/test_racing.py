"""Racing: the test behind it, what it drops, and what it never drops."""

import math
from itertools import accumulate
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.candidate import Candidate
from apo.errors import ConfigError
from apo.history import History
from apo.plugins import build
from apo.prompt import Prompt
from apo.schedulers import Plan
from apo.schedulers.racing import Racing, wealth
from apo.store.memory import MemoryStore
from tests.helpers import carried_out, ignorant, proposed
from tests.test_successive_halving import new_store, play, play_by

Table = list[list[float]]
"""Score by candidate and row."""


def race(table: Table, scheduler: Racing, allowance: int = 10**9) -> MemoryStore:
    """Play a cohort whose scores are known to its end."""
    store = new_store(len(table[0]), [str(n) for n in range(len(table))])
    rows = {row.id: place for place, row in enumerate(History(store.read()).dev)}
    cohort = [f"c{n}" for n in range(len(table))]
    play_by(scheduler, store, cohort, lambda c, row: table[int(c[1:])][rows[row]], allowance)
    return store


def mixture(wins: int, losses: int) -> float:
    """The exact average of (1 + bet)^wins (1 - bet)^losses over bets in (0, 1), by Simpson's rule."""
    steps = 2000
    values = [(1 + i / steps) ** wins * (1 - i / steps) ** losses for i in range(steps + 1)]
    return (values[0] + values[-1] + 4 * sum(values[1:-1:2]) + 2 * sum(values[2:-1:2])) / (3 * steps)


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (5, 0), (12, 1), (3, 9), (40, 10)])
def test_wealth_is_the_mixture_over_bets(wins: int, losses: int) -> None:
    """For right/wrong scores the wealth is an integral that can be worked out another way."""
    assert wealth([1.0] * wins + [-1.0] * losses) == pytest.approx(mixture(wins, losses), rel=2e-2)


@given(st.lists(st.floats(-1, 1), max_size=60), st.integers(0, 60))
def test_rows_alike_change_nothing(differences: list[float], alike: int) -> None:
    """Rows on which both do alike neither win nor lose, wherever they come, and order means nothing."""
    padded = [*[0.0] * alike, *reversed(differences)]

    assert math.isclose(wealth(differences), wealth(padded), rel_tol=1e-9)


def test_identical_answers_never_separate() -> None:
    """Candidates that answer alike all meet every row, however bad they are."""
    row = [float(n % 3 == 0) for n in range(60)]
    history = History(race([row] * 6, Racing()).read())

    assert history.pruned == {}
    assert all(history.is_full(c) for c in history.candidates)


def test_the_clearly_worse_are_dropped_early() -> None:
    """Against one that is right on every row, those that are wrong on all are gone within a few blocks."""
    table = [[1.0] * 100, *([0.0] * 100 for _ in range(7))]
    history = History(race(table, Racing()).read())

    assert {f"c{n}" for n in range(1, 8)} == set(history.pruned)
    assert max(len(history.evaluations(c)) for c in history.pruned) <= 20
    assert history.is_full("c0")


def test_the_best_is_seldom_lost() -> None:
    """Looked at after every block, the test loses the true best in no more races than it may."""
    draws, lost, races = Random(3), 0, 200
    shares = [0.6, 0.55, 0.5, 0.5, 0.4, 0.3]
    for _ in range(races):
        table = [[float(draws.random() < share) for _ in range(80)] for share in shares]
        lost += "c0" in History(race(table, Racing(alpha=0.2)).read()).pruned

    assert lost / races <= 0.2


@pytest.mark.parametrize(
    ("options", "rows", "ends"),
    [
        ("", 100, [5, 7, 10, 14, 20, 28, 39, 55, 77, 100]),
        ("growth=2", 100, [5, 10, 20, 40, 80, 100]),
        ("growth=1", 8, [5, 6, 7, 8]),
        ("block=30,growth=2", 100, [30, 60, 100]),
        ("block=30", 10, [10]),
    ],
)
def test_blocks_grow(options: str, rows: int, ends: list[int]) -> None:
    """A block ends at so many times the rows of the one before, one row later at least, and at the last."""
    store = new_store(rows, ["x", "y"])
    rounds = play(build("schedulers", f"racing:{options}".rstrip(":")), store, [1.0, 1.0])

    assert ends == list(accumulate(each["c0"] for each in rounds))


def test_a_new_cohort_is_cut_to_the_budget() -> None:
    """With little budget the last of the cohort are left out, and one can still meet all rows."""
    table = [[1.0] * 40 for _ in range(9)]
    history = History(race(table, Racing(), allowance=75).read())
    met = {c: len(history.evaluations(c)) for c in history.candidates}

    assert sum(met.values()) <= 75
    assert [f"c{n}" for n in range(8)][: len([c for c in met if met[c]])] == [c for c in met if met[c]]
    assert any(history.is_full(c) for c in history.candidates)


def test_who_has_met_all_rows_is_not_cut() -> None:
    """Without any budget left the incomplete are cut, and not the complete that were behind them at first."""
    store = race([[0.0] * 2 + [1.0] * 38], Racing())
    for event in proposed(Candidate("c1", Prompt("new")), step=1):
        store.append(event)
    met = Plan(tuple(("c1", row.id) for row in History(store.read()).dev[:7]))
    for event in carried_out(met, lambda _candidate, _row: 1.0):
        store.append(event)
    plan = Racing().plan(["c0", "c1"], History(store.read()), 0, ignorant)

    assert ["c1"] == [candidate for candidate, _ in plan.pruned]


def test_the_best_of_the_run_is_a_rival() -> None:
    """Candidates that the run's best so far beats are dropped, though it is not of their cohort."""
    store = race([[1.0] * 100], Racing())

    for event in proposed(*(Candidate(f"c{n}", Prompt(f"new {n}")) for n in (1, 2)), step=1):
        store.append(event)
    play_by(Racing(), store, ["c1", "c2"], lambda _candidate, _row: 0.0)
    history = History(store.read())

    assert {"c1", "c2"} == set(history.pruned)
    assert all("worse than c0" in reason for reason in history.pruned.values())


@pytest.mark.parametrize("options", ["block=0", "growth=0.9", "growth=nan", "alpha=0", "alpha=1"])
def test_options_refused(options: str) -> None:
    """Options that make no race are refused."""
    with pytest.raises(ConfigError, match="must be at least"):
        build("schedulers", f"racing:{options}")
