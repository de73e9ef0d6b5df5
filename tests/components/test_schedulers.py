"""What every scheduler keeps to, played on cohorts, budgets and failures of all kinds."""

from collections.abc import Callable
from dataclasses import dataclass, field, is_dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo import events, plugins
from apo.candidate import Candidate
from apo.history import History
from apo.prompt import Prompt
from apo.schedulers import Plan, Scheduler
from apo.store.memory import MemoryStore
from tests.components.helpers import state
from tests.helpers import carried_out, folded, ignorant, proposed, started, toy_spec, toy_task

NAMES = [*plugins.names("schedulers"), "triple:kind=sh"]
Value = Callable[[str, str], float | None]
"""The score of a candidate on a row; None where the request fails."""


@dataclass
class Game:
    """One cohort under one scheduler: what it planned, and the history that came of it."""

    scheduler: Scheduler
    cohort: tuple[str, ...]
    store: MemoryStore
    plans: list[Plan] = field(default_factory=list)

    @property
    def history(self) -> History:
        """The state so far, folded afresh."""
        return History(self.store.read())

    def pairs(self) -> list[tuple[str, str]]:
        """All pairs that were assigned."""
        return [pair for plan in self.plans for pair in plan.assignments]

    def step(self, value: Value, allowance: int) -> bool:
        """Plan once and carry the plan out; False when the cohort is done."""
        plan = self.scheduler.plan(self.cohort, self.history, allowance, ignorant)
        self.plans.append(plan)
        for fact in carried_out(plan, value):
            self.store.append(fact)
        return bool(plan.assignments)


def new_game(name: str, cohort: int, rows: int) -> Game:
    """A cohort that met no row yet; prompts differ in length."""
    task, store = toy_task(3 * rows), MemoryStore()
    candidates = [Candidate(f"c{n}", Prompt("Say it." + "!" * (n % 3))) for n in range(cohort)]
    store.append(started(task, toy_spec()))
    for event in proposed(*candidates):
        store.append(event)
    return Game(plugins.build("schedulers", name), tuple(c.id for c in candidates), store)


def play(name: str, cohort: int, rows: int, allowance: int, value: Value) -> Game:
    """Play until a plan is empty, checking what must hold after every plan."""
    game = new_game(name, cohort, rows)
    for _ in range(cohort * rows + 2):
        left = allowance - len(game.pairs())
        dropped = set(game.history.pruned)
        going = game.step(value, left)
        check_plan(game, left, dropped)
        if not going:
            return game
    raise AssertionError("the scheduler does not come to an end")


def check_plan(game: Game, left: int, dropped: set[str]) -> None:
    """The newest plan keeps to the rules; `dropped` were out before it."""
    plan, history = game.plans[-1], game.history
    pruned = [candidate for candidate, _ in plan.pruned]
    order = [row.id for row in history.dev]
    assert len(plan.assignments) <= left
    assert len(game.pairs()) == len(set(game.pairs()))
    assert not {c for c, _ in plan.assignments} & (dropped | set(pruned))
    assert not {c for c, _ in plan.promoted} & (dropped | set(pruned))
    assert len(pruned) == len(set(pruned))
    assert not dropped & set(pruned)
    assert {*pruned, *(c for c, _ in plan.assignments)} <= set(game.cohort)
    assert all(reason for _, reason in plan.pruned)
    for candidate in game.cohort:
        met = list(history.evaluations(candidate))
        assert set(order[: len(met)]) == set(met)


def by_number(candidate: str, row: str) -> float:
    """The higher a candidate's number, the more rows it gets right."""
    return float(int(row[4:]) * 7 % 10 < int(candidate[1:]))


cohorts = st.integers(0, 12)
row_counts = st.integers(1, 24)
allowances = st.one_of(st.integers(0, 400), st.just(10**9))
outcomes = st.sampled_from([1.0, 1.0, 0.5, 0.0, 0.0, None])


@pytest.mark.parametrize("name", NAMES)
def test_is_frozen_dataclass(name: str) -> None:
    """A scheduler is a dataclass with a line that says what it does."""
    found = plugins.build("schedulers", name)

    assert is_dataclass(found)
    assert type(found).__doc__


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=50)
@given(cohorts, row_counts, allowances)
def test_rules_kept(name: str, cohort: int, rows: int, allowance: int) -> None:
    """A cohort of any size ends within its allowance, on nested rows, no pair twice."""
    game = play(name, cohort, rows, allowance, by_number)

    assert len(game.pairs()) <= allowance


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=50)
@given(st.data(), st.integers(1, 8), st.integers(1, 15), allowances)
def test_failures(name: str, data: st.DataObject, cohort: int, rows: int, allowance: int) -> None:
    """Rows without an answer change nothing in the rules."""
    drawn = data.draw(st.lists(outcomes, min_size=8, max_size=8))
    game = play(name, cohort, rows, allowance, lambda c, row: drawn[(int(c[1:]) * 3 + int(row[4:])) % 8])

    assert len(game.pairs()) <= allowance


@pytest.mark.parametrize("name", NAMES)
def test_nothing_answers(name: str) -> None:
    """A cohort that gets no answer at all comes to an end."""
    game = play(name, 6, 20, 1000, lambda _c, _row: None)

    assert not game.plans[-1].assignments


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=50)
@given(st.integers(1, 10), row_counts)
def test_ample_allowance_gives_winner(name: str, cohort: int, rows: int) -> None:
    """With calls for everything, at least one candidate meets all rows."""
    game = play(name, cohort, rows, cohort * rows, by_number)
    full = [c for c in game.cohort if game.history.is_full(c) and c not in game.history.pruned]

    assert full


@pytest.mark.parametrize("name", NAMES)
def test_best_survives(name: str) -> None:
    """A candidate that is right where all others are wrong is not dropped."""
    game = play(name, 8, 20, 10**9, lambda c, _row: float(c == "c5"))

    assert game.history.is_full("c5")
    assert "c5" not in game.history.pruned


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=50)
@given(st.integers(1, 8), row_counts, allowances, st.integers(0, 4))
def test_plan_is_pure(name: str, cohort: int, rows: int, allowance: int, steps: int) -> None:
    """The same history gives the same plan and stays as it was."""
    game = new_game(name, cohort, rows)
    while steps > 0 and game.step(by_number, allowance):
        steps -= 1
    history = game.history
    before = state(history)
    plans = [game.scheduler.plan(game.cohort, history, allowance, ignorant) for _ in range(2)]
    fresh = plugins.build("schedulers", name).plan(game.cohort, game.history, allowance, ignorant)

    assert [fresh, fresh] == plans
    assert before == folded(history)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=50)
@given(st.integers(1, 8), row_counts, st.integers(0, 3))
def test_no_allowance(name: str, cohort: int, rows: int, steps: int) -> None:
    """Without calls left nothing is assigned, wherever the cohort stands."""
    game = new_game(name, cohort, rows)
    while steps > 0 and game.step(by_number, 10**9):
        steps -= 1

    assert () == game.scheduler.plan(game.cohort, game.history, 0, ignorant).assignments


@pytest.mark.parametrize("name", NAMES)
def test_dropped_elsewhere(name: str) -> None:
    """A candidate that somebody else dropped gets no more rows."""
    game = new_game(name, 4, 20)
    game.step(by_number, 10**9)
    game.store.append(events.CandidatePruned(candidate="c3", reason="does not fit the context"))
    before = len(game.history.evaluations("c3"))
    while game.step(by_number, 10**9):
        pass

    assert before == len(game.history.evaluations("c3"))
