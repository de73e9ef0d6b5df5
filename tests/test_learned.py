"""The alternation that learns: the opening, everybody's first turn, and what earned gains change."""

import pytest

from apo.alternations import WIDTHS, Move
from apo.alternations.learned import Learned
from apo.errors import ConfigError
from apo.plugins import build
from tests.helpers import toy_spec
from tests.turns import SEED, Turn, gaining, history_after, moved, simulate

OPENING: Turn = ("exemplars", "uniform:size=16", 0.1, 20)
LAYOUT: Turn = ("layout", "layout", 0.0, 100)


def longest_wait(turns: list[Turn], side: str) -> int:
    """The most steps in a row that did not move a side."""
    longest = waited = 0
    for turn in turns:
        waited = 0 if turn[0] == side else waited + 1
        longest = max(longest, waited)
    return longest


def test_opening_shows_uniform_exemplars() -> None:
    """The first move shows a few plain random lists, though `uniform` is not asked for."""
    move = Learned().next_move(history_after(toy_spec(), [SEED]))

    assert Move("exemplars", "uniform:size=16", 4) == move


def test_no_opening_without_layouts() -> None:
    """Plain lists are what layouts are compared with; where none are searched, many lists come at once."""
    move = Learned().next_move(history_after(toy_spec(layouts=False), [SEED]))

    assert Move("exemplars", toy_spec().selectors[0], WIDTHS["exemplars"]) == move


def test_opening_keeps_to_most_exemplars() -> None:
    """The opening shows no more exemplars than allowed, and as many as are wanted."""
    assert ("exemplars", "uniform:size=3") == moved(Learned(), toy_spec(max_exemplars=3), [SEED])
    assert ("exemplars", "uniform:size=5") == moved(Learned(opening=5), toy_spec(), [SEED])


def test_layout_follows_opening() -> None:
    """Layouts are compared with the opening's exemplars."""
    move = Learned().next_move(history_after(toy_spec(), [SEED, OPENING]))

    assert Move("layout", "layout", WIDTHS["layout"]) == move


def test_every_side_has_a_turn() -> None:
    """After the opening each side is moved by a component of the run before any is moved again."""
    turns = simulate(Learned(), gaining({"layout": 1.0}), 4)

    assert ["exemplars", "layout", "exemplars", "instruction"] == [side for side, *_ in turns]


def test_opening_is_no_turn_of_the_selectors() -> None:
    """The opening does not count as the exemplars' turn."""
    side, component = moved(Learned(), toy_spec(), [SEED, OPENING, LAYOUT])

    assert ("exemplars", True) == (side, component in toy_spec().selectors)


def test_every_component_has_a_turn() -> None:
    """Where nothing pays, every component is tried before one is tried again."""
    spec = toy_spec()
    turns = simulate(Learned(), gaining({}), 1 + 1 + len(spec.selectors) + len(spec.proposers))
    played = [component for _, component, *_ in turns[1:]]

    assert {"layout", *spec.selectors, *spec.proposers} == set(played)
    assert len(played) == len(set(played))


def test_gain_moves_the_turn() -> None:
    """A component that pays is played more than the others."""
    turns = simulate(Learned(), gaining({"opro": 0.2}), 30)
    played = [component for _, component, *_ in turns]

    assert "opro" == max(set(played), key=played.count)


def test_gain_that_dries_up_loses_the_turn() -> None:
    """A component that paid once is left after some turns without a gain."""
    turns: list[Turn] = [SEED, OPENING, LAYOUT, ("exemplars", "mutation", 0.3, 100)]
    turns += [("instruction", "opro", 0.0, 100)]
    first = moved(Learned(), toy_spec(), turns)
    later = moved(Learned(), toy_spec(), turns + [("exemplars", "mutation", 0.0, 100)] * 4)

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

    assert "induction" == moved(Learned(), spec, turns)[1]


@pytest.mark.parametrize("patience", [1, 5, 9])
@pytest.mark.parametrize("rich", ["layout", "mutation", "random_search", "induction", "opro", "reflection"])
def test_nobody_starves(rich: str, patience: int) -> None:
    """Whoever earns everything, no side waits longer than the patience plus the others' turns."""
    turns = simulate(Learned(patience), gaining({rich: 1.0}), 60)
    waits = {side: longest_wait(turns[3:], side) for side in ("layout", "exemplars", "instruction")}

    assert all(wait <= patience + 2 for wait in waits.values())


@pytest.mark.parametrize("options", ["patience=0", "opening=-1", "patience=many"])
def test_options_are_checked(options: str) -> None:
    """An option that makes no sense is named."""
    with pytest.raises(ConfigError, match=options.partition("=")[0]):
        build("alternations", f"learned:{options}")
