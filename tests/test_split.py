"""Fixed shares of the calls: what each side gets, at any time."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo.alternations import Move
from apo.alternations.split import Split
from apo.candidate import SIDES, Side
from apo.errors import ConfigError
from apo.plugins import build
from tests.helpers import toy_spec
from tests.turns import SEED, Play, Turn, calls_of, gaining, moved, simulate

OPENING: Turn = ("exemplars", "uniform:size=16", 0.1, 20)
LAYOUT: Turn = ("layout", "layout", 0.0, 100)


def costing(costs: Sequence[int]) -> Play:
    """Turns that take these calls, one after the other, over and over."""
    taken = iter(list(costs) * 100)

    def play(_move: Move) -> tuple[float, int]:
        return 0.0, next(taken)

    return play


def test_worked_example() -> None:
    """Half to each side: at 20 to 0, 20 to 100, 110 to 100 and 110 to 150 calls the one behind plays."""
    turns = simulate(Split(), costing([20, 100, 90, 50, 110]), 5, toy_spec(layouts=False))

    assert ["exemplars", "instruction"] * 2 + ["exemplars"] == [side for side, *_ in turns]
    assert (220, 150) == (calls_of(turns, "exemplars"), calls_of(turns, "instruction"))


@pytest.mark.parametrize(("share", "side"), [(0.2, "exemplars"), (0.25, "instruction"), (0.8, "instruction")])
def test_share_decides(share: float, side: str) -> None:
    """With 90 of 400 calls so far, instructions are due from a share above .225 on."""
    turns: list[Turn] = [SEED, ("exemplars", "mutation", 0.0, 310), ("instruction", "opro", 0.0, 90)]

    assert side == moved(Split(share, 0.0), toy_spec(), turns)[0]


def test_seed_and_people_count_for_no_side() -> None:
    """The seed's calls, and those for what people added, are no side's."""
    turns: list[Turn] = [SEED, OPENING, LAYOUT, ("instruction", "opro", 0.0, 30), (None, "human", 0.3, 900)]

    assert "exemplars" == moved(Split(), toy_spec(), turns)[0]


def test_component_with_most_credit_plays() -> None:
    """Within a side the one that earned most has the turn."""
    turns: list[Turn] = [SEED, OPENING, LAYOUT, ("exemplars", "mutation", 0.3, 100)]
    turns += [("exemplars", "random_search", 0.0, 100), ("instruction", "opro", 0.0, 300)]

    assert ("exemplars", "mutation") == moved(Split(), toy_spec(), turns)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9]),
    st.sampled_from([0.0, 0.1, 0.3]),
    st.lists(st.integers(1, 300), min_size=1, max_size=7),
    st.integers(3, 30),
)
def test_shares_are_kept(instruction: float, layout: float, costs: list[int], steps: int) -> None:
    """No side is more than a step above its share at any time; of two sides none is more than one below."""
    turns = simulate(Split(instruction, layout), costing(costs), steps)
    shares: dict[Side, float] = {"layout": layout, "instruction": (1 - layout) * instruction}
    shares["exemplars"] = 1 - sum(shares.values())
    for upto in range(3, len(turns) + 1):
        total = sum(turn[3] for turn in turns[:upto])
        above = {side: calls_of(turns[:upto], side) - shares[side] * total for side in SIDES}

        assert all(value <= max(costs) + 1e-6 for value in above.values())
        assert all(value >= -(1 if layout == 0 else 2) * max(costs) - 1e-6 for value in above.values())


@pytest.mark.parametrize(
    ("split", "sides"),
    [
        (Split(1.0, 0.0), {"instruction"}),
        (Split(0.0, 0.0), {"exemplars"}),
        (Split(0.5, 1.0), {"layout"}),
        (Split(0.5, 0.0), {"instruction", "exemplars"}),
        (Split(1.0, 0.2), {"instruction", "layout"}),
    ],
)
def test_no_share_no_turn(split: Split, sides: set[str]) -> None:
    """A side without a share is never moved, not even by the opening."""
    turns = simulate(split, gaining({}), 12)

    assert sides == {side for side, *_ in turns}


@pytest.mark.parametrize("options", ["instruction=1.5", "instruction=-0.1", "layout=2", "layout=nan"])
def test_options_are_checked(options: str) -> None:
    """An option that is no share is named."""
    with pytest.raises(ConfigError, match=f"split: {options.partition('=')[0]} must be a share from 0 to 1"):
        build("alternations", f"split:{options}")
