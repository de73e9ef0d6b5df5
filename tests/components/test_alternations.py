"""What every alternation keeps to, played on runs of all kinds."""

from dataclasses import is_dataclass
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo import plugins
from apo.alternations import Alternation, Move
from apo.budget import Budget
from apo.candidate import SIDES, Side
from apo.spec import PROPOSERS, SELECTORS, RunSpec
from tests.components.helpers import state
from tests.helpers import folded, toy_spec
from tests.turns import SEED, TASK, gaining, history_after, simulate

NAMES = plugins.names("alternations")
CALLS, STEP = 1500, 60
STEPS = (CALLS - 2 * len(TASK.test) - len(TASK.dev)) // STEP
"""Steps of 60 calls that a budget of 1,500 holds besides seed and sealed test."""
SOME = [sides for size in (1, 2, 3) for sides in combinations(SIDES, size)]


def spec_of(sides: frozenset[Side]) -> RunSpec:
    """A run that searches some sides only."""
    return toy_spec(
        layouts="layout" in sides,
        selectors=SELECTORS if "exemplars" in sides else (),
        proposers=PROPOSERS if "instruction" in sides else (),
        budget=Budget(calls=CALLS),
    )


def built(name: str) -> Alternation:
    """The alternation with its own defaults."""
    found: Alternation = plugins.build("alternations", name)
    return found


some_sides = st.sets(st.sampled_from(SIDES)).map(frozenset)
gains = st.lists(st.sampled_from([0.0, 0.0, 0.01, 0.2]), min_size=7, max_size=7)
costs = st.lists(st.integers(0, 300), min_size=5, max_size=5)


@pytest.mark.parametrize("name", NAMES)
def test_is_frozen_dataclass(name: str) -> None:
    """An alternation is a dataclass with a line that says what it does."""
    found = built(name)

    assert is_dataclass(found)
    assert type(found).__doc__


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=40)
@given(some_sides, gains, costs)
def test_rules_kept(name: str, sides: frozenset[Side], gain: list[float], cost: list[int]) -> None:
    """Each move is made by a component of the run, on its own side; the opening may show random exemplars."""
    spec, seen = spec_of(sides), []

    def play(move: Move) -> tuple[float, int]:
        seen.append(move)
        return gain[len(seen) % 7], cost[len(seen) % 5]

    simulate(built(name), play, 25, spec)
    named = {("layout", "layout")} | set(product(["exemplars"], spec.selectors))
    named |= set(product(["instruction"], spec.proposers))

    assert all(move.width >= 1 for move in seen)
    assert {move.side for move in seen} <= sides
    assert {
        (move.side, move.component) for move in seen if not move.component.startswith("uniform:")
    } <= named


@pytest.mark.parametrize("rich", ["nobody", "layout", "mutation", "opro"])
@pytest.mark.parametrize("sides", SOME, ids="+".join)
@pytest.mark.parametrize("name", NAMES)
def test_no_side_starves(name: str, sides: tuple[Side, ...], rich: str) -> None:
    """Whoever earns everything, all sides that have a component are moved within the budget, no others."""
    turns = simulate(built(name), gaining({rich: 0.1}, STEP), STEPS, spec_of(frozenset(sides)))

    assert set(sides) == {side for side, *_ in turns}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_search(name: str) -> None:
    """Without any component there is no move."""
    assert [] == simulate(built(name), gaining({}), 5, spec_of(frozenset()))


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=40)
@given(some_sides, st.integers(0, 30))
def test_comes_to_an_end(name: str, sides: frozenset[Side], dear: int) -> None:
    """Where turns take no calls any more and give nothing, the run ends instead of going round for ever."""
    spec, played = spec_of(sides), []

    def play(move: Move) -> tuple[float, int]:
        played.append(move)
        return (0.05, STEP) if len(played) <= dear else (0.0, 0)

    turns = simulate(built(name), play, dear + 30, spec)

    assert len(turns) < dear + 30


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=40)
@given(some_sides, gains, costs, st.integers(0, 15))
def test_function_of_history(
    name: str, sides: frozenset[Side], gain: list[float], cost: list[int], steps: int
) -> None:
    """The same history has the same next move and stays as it was."""
    spec, played = spec_of(sides), []

    def play(move: Move) -> tuple[float, int]:
        played.append(move)
        return gain[len(played) % 7], cost[len(played) % 5]

    turns = [SEED, *simulate(built(name), play, steps, spec)]
    history = history_after(spec, turns)
    before = state(history)
    alternation = built(name)
    moves = [alternation.next_move(history) for _ in range(2)]

    assert [built(name).next_move(history_after(spec, turns))] * 2 == moves
    assert before == folded(history)
