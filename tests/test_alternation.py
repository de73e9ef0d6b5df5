"""Whose turn it is: the opening, everybody's first turn, and what earned gains change."""

import pytest

from apo import events
from apo.alternation import PATIENCE, PRIOR_CALLS, PRIOR_GAIN, WIDTHS, Move, credit, next_move
from apo.candidate import Side
from apo.history import History
from apo.spec import RunSpec
from apo.store.memory import MemoryStore
from tests.helpers import started, toy_spec, toy_task

Turn = tuple[Side | None, str, float, int]
"""Side, component, gain and calls of a step that is over."""
SEED: Turn = (None, "seed", 0.0, 20)
OPENING: Turn = ("exemplars", "uniform:size=8", 0.1, 20)
LAYOUT: Turn = ("layout", "layout", 0.0, 100)


def history_after(spec: RunSpec, turns: list[Turn]) -> History:
    """A run whose steps so far are these."""
    store = MemoryStore()
    store.append(started(toy_task(), spec))
    for number, (side, component, gain, calls) in enumerate(turns):
        store.append(events.StepStarted(step=number, side=side, component=component))
        store.append(events.CandidatesProposed(step=number, candidates=()))
        store.append(events.StepFinished(step=number, gain=gain, calls=calls))
    return History(store.read())


def moved(spec: RunSpec, turns: list[Turn]) -> tuple[str, str]:
    """Side and component of the next move."""
    move = next_move(history_after(spec, turns))
    assert move is not None
    assert move.side is not None
    return move.side, move.component


def simulate(spec: RunSpec, gains: dict[str, float], steps: int, calls: int = 100) -> list[Turn]:
    """The turns after the seed, when each component always gains the same."""
    turns = [SEED]
    for _ in range(steps):
        side, component = moved(spec, turns)
        turns.append((side, component, gains.get(component, 0.0), calls))  # type: ignore[arg-type]
    return turns[1:]


def longest_wait(turns: list[Turn], side: str) -> int:
    """The most steps in a row that did not move a side."""
    longest = waited = 0
    for turn in turns:
        waited = 0 if turn[0] == side else waited + 1
        longest = max(longest, waited)
    return longest


def test_opening_shows_uniform_exemplars() -> None:
    """The first move shows one list of plain random exemplars, though `uniform` is not asked for."""
    move = next_move(history_after(toy_spec(), [SEED]))

    assert Move("exemplars", "uniform:size=8", 1) == move


def test_opening_keeps_to_most_exemplars() -> None:
    """The opening shows no more exemplars than allowed."""
    assert ("exemplars", "uniform:size=3") == moved(toy_spec(max_exemplars=3), [SEED])


def test_layout_follows_opening() -> None:
    """Layouts are compared with the opening's exemplars."""
    move = next_move(history_after(toy_spec(), [SEED, OPENING]))

    assert Move("layout", "layout", WIDTHS["layout"]) == move


def test_every_side_has_a_turn() -> None:
    """After the opening each side is moved by a component of the run before any is moved again."""
    turns = simulate(toy_spec(), {"layout": 1.0}, 4)

    assert ["exemplars", "layout", "exemplars", "instruction"] == [side for side, *_ in turns]


def test_opening_is_no_turn_of_the_selectors() -> None:
    """The opening does not count as the exemplars' turn."""
    side, component = moved(toy_spec(), [SEED, OPENING, LAYOUT])

    assert ("exemplars", True) == (side, component in toy_spec().selectors)


def test_every_component_has_a_turn() -> None:
    """Where nothing pays, every component is tried before one is tried again."""
    spec = toy_spec()
    turns = simulate(spec, {}, 1 + 1 + len(spec.selectors) + len(spec.proposers))
    played = [component for _, component, *_ in turns[1:]]

    assert {"layout", *spec.selectors, *spec.proposers} == set(played)
    assert len(played) == len(set(played))


def test_gain_moves_the_turn() -> None:
    """A component that pays is played more than the others."""
    turns = simulate(toy_spec(), {"opro": 0.2}, 30)
    played = [component for _, component, *_ in turns]

    assert "opro" == max(set(played), key=played.count)


def test_gain_that_dries_up_loses_the_turn() -> None:
    """A component that paid once is left after some turns without a gain."""
    turns: list[Turn] = [SEED, OPENING, LAYOUT, ("exemplars", "mutation", 0.3, 100)]
    turns += [("instruction", "opro", 0.0, 100)]
    first = moved(toy_spec(), turns)
    later = moved(toy_spec(), turns + [("exemplars", "mutation", 0.0, 100)] * 4)

    assert "mutation" == first[1]
    assert "mutation" != later[1]


def test_dear_component_waits() -> None:
    """Of equal gains the one that took fewer calls is played."""
    turns: list[Turn] = [
        SEED,
        LAYOUT,
        ("instruction", "opro", 0.1, 400),
        ("instruction", "induction", 0.1, 40),
    ]
    spec = toy_spec(selectors=(), proposers=("opro", "induction"))

    assert "induction" == moved(spec, turns)[1]


@pytest.mark.parametrize("rich", ["layout", "mutation", "random_search", "induction", "opro", "reflection"])
def test_nobody_starves(rich: str) -> None:
    """Whoever earns everything, no side waits longer than the patience plus the others' turns."""
    turns = simulate(toy_spec(), {rich: 1.0}, 60)
    waits = {side: longest_wait(turns[3:], side) for side in ("layout", "exemplars", "instruction")}

    assert all(wait <= PATIENCE + 2 for wait in waits.values())


def test_credit_of_untried() -> None:
    """An untried component is believed in."""
    history = history_after(toy_spec(), [SEED])

    assert PRIOR_GAIN / PRIOR_CALLS == credit(history, "opro")


def test_credit_weighs_recent_turns() -> None:
    """The last turn counts fully, the one before it half."""
    turns: list[Turn] = [SEED, ("instruction", "opro", 0.4, 200), ("instruction", "opro", 0.1, 80)]
    history = history_after(toy_spec(), turns)

    assert pytest.approx((0.05 + 0.1 + 0.2) / (100 + 80 + 100)) == credit(history, "opro")


def test_credit_ignores_unfinished_step() -> None:
    """A step that is under way earned nothing yet."""
    store = MemoryStore()
    store.append(started(toy_task(), toy_spec()))
    store.append(events.StepStarted(step=0, side="instruction", component="opro"))

    assert PRIOR_GAIN / PRIOR_CALLS == credit(History(store.read()), "opro")


def test_options_are_their_own_component() -> None:
    """The same proposer with two options earns twice on its own."""
    turns: list[Turn] = [SEED, LAYOUT, ("instruction", "opro:shown=3", 0.5, 100)]
    spec = toy_spec(selectors=(), proposers=("opro:shown=3", "opro:shown=9"))
    history = history_after(spec, turns)

    assert credit(history, "opro:shown=3") > credit(history, "opro:shown=9")


@pytest.mark.parametrize(
    ("changes", "sides"),
    [
        pytest.param({"layouts": False}, {"exemplars", "instruction"}, id="no_layouts"),
        pytest.param({"selectors": ()}, {"layout", "instruction"}, id="no_selectors"),
        pytest.param({"proposers": ()}, {"layout", "exemplars"}, id="no_proposers"),
        pytest.param({"proposers": (), "selectors": ()}, {"layout"}, id="only_layouts"),
        pytest.param({"layouts": False, "selectors": ()}, {"instruction"}, id="only_proposers"),
        pytest.param({"layouts": False, "proposers": ()}, {"exemplars"}, id="only_selectors"),
    ],
)
def test_sides_left_out(changes: dict[str, object], sides: set[str]) -> None:
    """A side without a component is never moved."""
    turns = simulate(toy_spec(**changes), {}, 12)

    assert sides == {side for side, *_ in turns}


def test_nothing_to_search() -> None:
    """Without any component there is no move."""
    spec = toy_spec(layouts=False, selectors=(), proposers=())

    assert next_move(history_after(spec, [SEED])) is None


def test_function_of_history() -> None:
    """The same history has the same next move."""
    turns = [SEED, *simulate(toy_spec(), {"opro": 0.1}, 7)]

    assert moved(toy_spec(), turns) == moved(toy_spec(), turns)
