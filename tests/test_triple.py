"""TRIPLE: phases and thresholds worked out, who is rejected, and what a race costs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo.belief import Belief
from apo.errors import ConfigError
from apo.history import History
from apo.plugins import build
from apo.schedulers import Plan, Scheduler
from apo.schedulers.triple import Triple, halvings, threshold
from tests.test_successive_halving import new_store, play, play_by


def test_worked_halvings() -> None:
    """Thirty arms and 150 evaluations: five phases that take 154, for each one is rounded up."""
    found = halvings(30, 150)

    assert [(30, 1), (15, 2), (8, 4), (4, 8), (2, 15)] == found
    assert 154 == sum(arms * pulls for arms, pulls in found)


@pytest.mark.parametrize(("arms", "budget", "found"), [(0, 9, []), (1, 9, []), (2, 9, [(2, 5)])])
def test_few_arms(arms: int, budget: int, found: list[tuple[int, int]]) -> None:
    """One arm needs no phase."""
    assert found == halvings(arms, budget)


def test_worked_threshold() -> None:
    """Thirty arms and a budget of 150: .2125 after one evaluation each, below 0 beyond 150 / ln 30 = 44.1."""
    assert threshold(150, 0, 30, 30) == pytest.approx(0.2125, abs=5e-5)
    assert threshold(150, 0, 44, 30) > 0 > threshold(150, 0, 45, 30)


def test_worked_threshold_after_a_rejection() -> None:
    """What the rejected had is taken off the budget, and only evaluations of those left count as spent."""
    assert threshold(150, 10, 40, 20) == pytest.approx(math.sqrt(140 / (40 * math.log(20))) - 1)


def test_a_wide_gap_rejects_at_once_and_a_narrow_one_later() -> None:
    """The one far behind goes at the first look, those close together only when the budget runs low."""
    store = new_store(100, ["x"] * 6)
    play(Triple(), store, [0.0, 0.9, 0.91, 0.92, 0.93, 0.94])
    history = History(store.read())
    met = [len(history.evaluations(f"c{n}")) for n in range(6)]

    assert 5 == met[0] < met[1]
    assert met == sorted(met)
    assert history.is_full("c5")
    assert "worst of the 6 left on 5 rows" == history.pruned["c0"]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.2, 0.5, 1.0]), min_size=1, max_size=12),
    st.integers(1, 60),
    st.floats(0.01, 1),
    st.integers(1, 9),
)
def test_cr_keeps_its_budget(means: list[float], rows: int, share: float, block: int) -> None:
    """A race costs no more than foretold; one of the best meets all rows, like all that are not dropped."""
    scheduler = Triple("cr", share, block)
    store = new_store(rows, ["x"] * len(means))
    rounds = play(scheduler, store, means)
    history = History(store.read())
    full = [c for c in history.candidates if history.is_full(c)]

    assert sum(sum(asked.values()) for asked in rounds) <= scheduler.most(len(means), rows)
    assert max(means) == max(means[int(c[1:])] for c in full)
    assert set(history.candidates) == {*history.pruned, *full}
    assert not set(full) & set(history.pruned)


@dataclass(frozen=True)
class Portions:
    """A scheduler whose plans are carried out `most` rows at a time, as if the run were cut there."""

    whole: Scheduler
    most: int

    def plan(self, cohort: Sequence[str], history: History, allowance: int, belief: Belief) -> Plan:
        """The plan up to the cut."""
        plan = self.whole.plan(cohort, history, allowance, belief)
        return replace(plan, assignments=plan.assignments[: self.most])


def dropped(table: list[list[float]], scheduler: Scheduler) -> dict[str, str]:
    """Whom a scheduler drops, and why, where scores by candidate and row are known."""
    store = new_store(len(table[0]), ["x"] * len(table))
    place = {row.id: n for n, row in enumerate(History(store.read()).dev)}
    cohort = [f"c{n}" for n in range(len(table))]
    play_by(scheduler, store, cohort, lambda c, row: table[int(c[1:])][place[row]])
    return History(store.read()).pruned


@settings(deadline=None)
@given(
    st.integers(2, 8), st.integers(6, 30), st.randoms(use_true_random=False), st.sampled_from(["cr", "sh"])
)
def test_cut_anywhere(cohort: int, rows: int, draws: Random, kind: Literal["cr", "sh"]) -> None:
    """A race whose evaluations come in portions drops the same for the same reasons."""
    table = [[float(draws.random() < 0.5) for _ in range(rows)] for _ in range(cohort)]

    assert dropped(table, Triple(kind)) == dropped(table, Portions(Triple(kind), 3))


@pytest.mark.parametrize("options", ["share=0", "block=0", "kind=gse", "share=nan"])
def test_options_refused(options: str) -> None:
    """Options that make no race are refused."""
    with pytest.raises(ConfigError, match="triple"):
        build("schedulers", f"triple:{options}")
