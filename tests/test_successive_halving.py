"""Successive halving: the rungs of one bracket, what they cost, and who goes on."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo import events
from apo.candidate import Candidate
from apo.errors import ConfigError
from apo.history import History
from apo.plugins import build
from apo.prompt import Prompt
from apo.schedulers import Scheduler
from apo.schedulers.successive_halving import SuccessiveHalving
from apo.store.memory import MemoryStore
from tests.helpers import carried_out, evaluation, ignorant, proposed, started, toy_spec, toy_task

BRACKETS = {
    "8x10_4x20_2x40_1x80": (8, [10, 20, 40, 80], 200),
    "6x20_3x40_2x80": (6, [20, 40, 80], 260),
    "4x20_2x40_1x80": (4, [20, 40, 80], 160),
    "1x80": (1, [80], 80),
}
"""Cohort on 80 rows, at least 10 a rung, halved: rungs and cost with nested rows reused."""
Rounds = list[dict[str, int]]


def new_store(rows: int, prompts: list[str]) -> MemoryStore:
    """A run with a cohort that met no row yet."""
    task, store = toy_task(3 * rows), MemoryStore()
    store.append(started(task, toy_spec()))
    for event in proposed(*(Candidate(f"c{n}", Prompt(text)) for n, text in enumerate(prompts))):
        store.append(event)
    return store


def play(scheduler: Scheduler, store: MemoryStore, means: list[float], allowance: int = 10**9) -> Rounds:
    """Play a cohort to its end, candidate n scoring `means[n]` on every row; new rows by round."""
    cohort = [f"c{n}" for n in range(len(means))]
    return play_by(scheduler, store, cohort, lambda c, _row: means[int(c[1:])], allowance)


def play_by(
    scheduler: Scheduler,
    store: MemoryStore,
    cohort: list[str],
    score: Callable[[str, str], float],
    allowance: int = 10**9,
) -> Rounds:
    """The same with the score of each candidate on each row."""
    rounds: Rounds = []
    while True:
        plan = scheduler.plan(cohort, History(store.read()), allowance, ignorant)
        for fact in carried_out(plan, score):
            store.append(fact)
        if not plan.assignments:
            return rounds
        asked = [candidate for candidate, _ in plan.assignments]
        rounds.append({candidate: asked.count(candidate) for candidate in dict.fromkeys(asked)})
        allowance -= len(asked)


@pytest.mark.parametrize(("cohort", "rungs", "cost"), BRACKETS.values(), ids=BRACKETS)
def test_worked_rungs(cohort: int, rungs: list[int], cost: int) -> None:
    """Rungs and cost of a cohort on 80 rows, worked out by hand."""
    found = SuccessiveHalving(eta=2, least_rows=10)

    assert rungs == found.rungs(cohort, 80)
    assert cost == found.cost(cohort, 80)


def test_worked_bracket() -> None:
    """Eight candidates on 80 rows: 8 meet 10, 4 meet 20, 2 meet 40, 1 meets 80, each row asked once."""
    store = new_store(80, ["x"] * 8)
    rounds = play(SuccessiveHalving(2, 10), store, [n / 8 for n in range(8)])
    history = History(store.read())
    met = [len(history.evaluations(f"c{n}")) for n in range(8)]

    assert [10] * 4 + [20, 20, 40, 80] == met
    assert [(8, 10), (4, 10), (2, 20), (1, 40)] == [(len(r), max(r.values())) for r in rounds]
    assert {"c7": 40} == rounds[-1]


@pytest.mark.parametrize(
    ("eta", "least", "cohort", "rows", "rungs"),
    [
        pytest.param(2, 10, 8, 20, [10, 20], id="rows_bound"),
        pytest.param(2, 10, 8, 9, [9], id="fewer_rows_than_least"),
        pytest.param(2, 10, 8, 19, [19], id="just_below_two_rungs"),
        pytest.param(3, 10, 9, 100, [12, 34, 100], id="eta_3_rounds_up"),
        pytest.param(3, 1, 8, 100, [34, 100], id="cohort_bound"),
        pytest.param(2, 1, 1, 50, [50], id="one_candidate"),
        pytest.param(2, 1, 0, 50, [50], id="no_candidate"),
        pytest.param(2, 1, 8, 1, [1], id="one_row"),
        pytest.param(5, 1, 125, 125, [1, 5, 25, 125], id="exact_power"),
    ],
)
def test_rungs(eta: int, least: int, cohort: int, rows: int, rungs: list[int]) -> None:
    """Rungs grow by eta to all rows; the first holds at least the least rows, if there are so many."""
    assert rungs == SuccessiveHalving(eta, least).rungs(cohort, rows)


def test_reasons_and_promotions() -> None:
    """A rung's plan says who was dropped on how many rows, and how far the others go."""
    store = new_store(20, ["x"] * 4)
    scheduler, cohort = SuccessiveHalving(2, 10), ["c0", "c1", "c2", "c3"]
    first = scheduler.plan(cohort, History(store.read()), 1000, ignorant)
    done = tuple(evaluation(c, row, float(c in ("c1", "c2"))) for c, row in first.assignments)
    store.append(events.EvaluationsFinished(evaluations=done))
    second = scheduler.plan(cohort, History(store.read()), 1000, ignorant)

    assert ((), ()) == (first.promoted, first.pruned)
    assert (("c1", 20), ("c2", 20)) == second.promoted
    assert [("c0", "not among the best 2 on 10 rows"), ("c3", "not among the best 2 on 10 rows")] == list(
        second.pruned
    )


def test_tie_goes_to_shorter() -> None:
    """Of equal means the shorter prompt goes on."""
    store = new_store(20, ["long enough", "long enough", "short", "long enough"])
    play(SuccessiveHalving(4, 5), store, [0.5] * 4)

    assert {"c0", "c1", "c3"} == set(History(store.read()).pruned)


def test_tie_goes_to_older() -> None:
    """Of equal means and lengths the older candidate goes on, by number and not by name."""
    store = new_store(20, ["same"] * 12)
    play(SuccessiveHalving(2, 10), store, [0.5] * 12)

    assert {f"c{n}" for n in range(6, 12)} == set(History(store.read()).pruned)


def test_missing_row_is_not_zero() -> None:
    """A row without an answer leaves a candidate's mean as it is."""
    store = new_store(20, ["x", "x"])
    cohort = ["c0", "c1"]
    rows = [row.id for row in History(store.read()).dev[:10]]
    failing = [evaluation("c1", row, None if place < 5 else 0.8) for place, row in enumerate(rows)]
    done = [evaluation("c0", row, 0.6) for row in rows] + failing
    store.append(events.EvaluationsFinished(evaluations=tuple(done)))
    plan = SuccessiveHalving(2, 10).plan(cohort, History(store.read()), 1000, ignorant)

    assert ["c0"] == [candidate for candidate, _ in plan.pruned]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.2, 0.5, 1.0]), min_size=1, max_size=30),
    st.integers(1, 60),
    st.integers(2, 5),
    st.integers(1, 20),
)
def test_cost_is_what_is_spent(means: list[float], rows: int, eta: int, least: int) -> None:
    """A cohort that may be finished takes exactly what was foretold, whatever the scores."""
    scheduler = SuccessiveHalving(eta, least)
    cohort = len(means)
    rounds = play(scheduler, new_store(rows, ["x"] * cohort), means)

    assert scheduler.cost(cohort, rows) == sum(sum(r.values()) for r in rounds)


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 40), st.integers(2, 4), st.integers(1, 12), st.integers(0, 500))
def test_cut_to_allowance(cohort: int, rows: int, eta: int, least: int, allowance: int) -> None:
    """A cohort is cut to the largest that can be finished; none is where not even one can."""
    scheduler = SuccessiveHalving(eta, least)
    rounds = play(scheduler, new_store(rows, ["x"] * cohort), [0.5] * cohort, allowance)
    spent = sum(sum(r.values()) for r in rounds)
    entered = len(rounds[0]) if rounds else 0

    assert spent <= allowance
    assert scheduler.cost(entered, rows) == spent if entered else spent == 0
    assert entered == cohort or scheduler.cost(entered + 1, rows) > allowance


@pytest.mark.parametrize("options", ["eta=1", "least_rows=0", "eta=-3,least_rows=5"])
def test_bad_options(options: str) -> None:
    """Options that make no rungs are refused."""
    with pytest.raises(ConfigError, match="eta must be at least 2 and least_rows at least 1"):
        build("schedulers", f"successive_halving:{options}")
