"""Two prompts on the same rows: the exact sign test, and what gain so many rows can tell from noise."""

from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binomtest

from apo.statistics import Sign, rows_needed, sign_test, visible_gain

rows = st.dictionaries(st.sampled_from("abcdefghij"), st.sampled_from([0.0, 1.0]))


def split(wins: int, losses: int, ties: int = 3) -> tuple[dict[str, float], dict[str, float]]:
    """Two sides' scores that differ on so many rows."""
    signs = [1.0] * wins + [0.0] * losses + [0.5] * ties
    ours = {f"r{n}": sign for n, sign in enumerate(signs)}
    return ours, {row: 1 - sign for row, sign in ours.items()}


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (3, 3, 1.0),
        (5, 0, 0.0625),
        (6, 0, 0.03125),
        (8, 2, 0.109375),
        (1, 9, 0.021484375),
    ],
)
def test_sign_known(wins: int, losses: int, p: float) -> None:
    """The exact two-sided chances."""
    assert Sign(wins, losses, p) == sign_test(*split(wins, losses))


@given(st.integers(0, 60), st.integers(0, 60))
def test_sign_like_scipy(wins: int, losses: int) -> None:
    """The chance is that of the exact binomial test."""
    assume(wins + losses)
    expected = binomtest(wins, wins + losses, 0.5).pvalue

    assert expected == pytest.approx(sign_test(*split(wins, losses)).p, rel=1e-9)


def test_sign_many_rows() -> None:
    """Thousands of rows neither overflow nor vanish."""
    expected = binomtest(2100, 4000, 0.5).pvalue

    assert expected == pytest.approx(sign_test(*split(2100, 1900)).p, rel=1e-6)
    assert sign_test(*split(2000, 0)).p < 1e-300


@given(rows, rows)
def test_sign_mirrors(ours: dict[str, float], theirs: dict[str, float]) -> None:
    """Exchanging the sides exchanges wins and losses; rows of one side alone do not count."""
    there, back = sign_test(ours, theirs), sign_test(theirs, ours)

    assert Sign(there.losses, there.wins, there.p) == back
    assert there == sign_test(ours | {"mine": 1.0}, theirs | {"yours": 0.0})
    assert 0 < there.p <= 1


def test_sign_graded() -> None:
    """Of graded scores the direction counts."""
    ours = {"a": 0.5, "b": 0.51, "c": 1.0, "d": 0.2}
    theirs = {"a": 0.4, "b": 0.5, "c": 0.0, "d": 0.2}

    assert Sign(3, 0, 0.25) == sign_test(ours, theirs)


@pytest.mark.parametrize(("gain", "needed"), [(0.10, 118), (0.05, 489), (0.02, 3086)])
def test_rows_known(gain: float, needed: int) -> None:
    """The worked numbers at 20 % discordant rows."""
    assert needed == rows_needed(gain)
    assert visible_gain(needed) <= gain < visible_gain(needed - 1)


@given(st.floats(0.01, 1), st.floats(0.01, 1))
def test_gain_and_rows_invert(gain: float, discordant: float) -> None:
    """The rows needed for a gain are the fewest that show it."""
    needed = rows_needed(gain, discordant)

    assert visible_gain(needed, discordant) <= gain * (1 + 1e-9)
    assert needed == 1 or visible_gain(needed - 1, discordant) > gain * (1 - 1e-9)


@given(st.integers(0, 5000), st.floats(0.01, 1))
def test_gain_falls(n: int, discordant: float) -> None:
    """More rows show smaller gains; more discordant ones hide them."""
    gain = visible_gain(n, discordant)

    assert visible_gain(n + 1, discordant) < gain <= 1
    assert gain <= visible_gain(n, min(1.0, discordant * 1.5))


def test_gain_few_rows() -> None:
    """With few rows a gain takes more discordant ones than were assumed, up to all."""
    assert visible_gain(0) == 1.0
    assert visible_gain(24) > 0.2 > visible_gain(25)
    assert visible_gain(10) == pytest.approx(0.382, abs=0.001)


def test_gain_is_seen() -> None:
    """A gain of just that size passes a one-sided z-test in about 80 of 100 draws, and no gain in 5."""
    draws = Random("power")
    n, seen = 200, {}
    for gain in (visible_gain(n), 0.0):
        better, worse = (0.2 + gain) / 2, (0.2 - gain) / 2
        hits = 0
        for _ in range(1000):
            chances = [draws.random() for _ in range(n)]
            wins = sum(c < better for c in chances)
            losses = sum(better <= c < better + worse for c in chances)
            hits += wins - losses > 1.645 * max(1, wins + losses) ** 0.5
        seen[gain > 0] = hits / 1000

    assert 0.74 <= seen[True] <= 0.86
    assert 0.03 <= seen[False] <= 0.07


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.1])
def test_gain_refused(bad: float) -> None:
    """Shares outside (0, 1] are refused, and rows below 0."""
    with pytest.raises(ValueError, match="must be"):
        visible_gain(10, bad)
    with pytest.raises(ValueError, match="must be"):
        rows_needed(bad)
    with pytest.raises(ValueError, match="must be"):
        visible_gain(-1)
