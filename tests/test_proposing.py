"""How many calls a step may take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.alternations import WIDTHS, Move
from apo.candidate import Side
from apo.proposing import allowed

MOVES = {
    "layout": Move("layout", "layout", 12),
    "exemplars": Move("exemplars", "random_search", 32),
    "instruction": Move("instruction", "induction", 8),
    "by hand": Move(None, "human", 3),
}


@pytest.mark.parametrize(
    ("move", "left", "calls"),
    [
        ("exemplars", 5000, 960),  # .3 * 32 * 100
        ("exemplars", 1000, 800),  # .8 of them
        ("exemplars", 990, 990),  # too little for another step: the other 198
        ("exemplars", 400, 400),
        ("exemplars", 150, 150),  # all that there are
        ("layout", 5000, 360),  # .3 * 12 * 100
        ("layout", 600, 210),  # .35 of them
        ("instruction", 2000, 700),  # .35 of them
        ("instruction", 450, 200),  # two candidates on all rows
        ("by hand", 5000, 4000),
        ("by hand", 0, 0),
    ],
)
def test_worked(move: str, left: int, calls: int) -> None:
    """With 100 dev rows."""
    assert calls == allowed(MOVES[move], left, 100)


@given(st.sampled_from([*WIDTHS]), st.integers(1, 64), st.integers(0, 100_000), st.integers(1, 500))
def test_bounds(side: Side, width: int, left: int, rows: int) -> None:
    """Two candidates' rows at least where there is that much, and no less for the next step, or nothing."""
    move = Move(side, "opro" if side == "instruction" else "any", width)
    found = allowed(move, left, rows)

    assert min(left, 2 * rows) <= found <= left
    assert left == found or left - found >= 2 * rows
