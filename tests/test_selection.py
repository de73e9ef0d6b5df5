"""The winner's corrected score: exact in small cases, sane in odd ones; test_honesty.py counts how honest."""

import math
import time
from itertools import pairwise, product
from random import Random
from statistics import fmean

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from apo.selection import _adjust, _table, corrected
from apo.statistics import EMPTY, mean_interval, wilson
from tests.benchmarks.honesty import Scenario, Scores, draw


def table(rows: int, *right: int) -> Scores:
    """Candidates c0, c1, … of which each has so many of the rows right, in places of its own."""
    found: Scores = {}
    for number, count in enumerate(right):
        places = list(range(rows))
        Random(f"table/{number}").shuffle(places)
        found[f"c{number}"] = {f"r{row}": float(place < count) for row, place in enumerate(places)}
    return found


def test_clear_winner() -> None:
    """A prompt far above the others keeps its score, and one barely above them does not."""
    clear, lucky = table(100, 90, *[50] * 31), table(50, 42, *[35] * 31)

    assert corrected(clear, "c0").mean > 0.895
    assert corrected(lucky, "c0").mean < 0.75


def test_two_clusters() -> None:
    """Prompts that are much worse do not draw the winner down, nor lift the correction off it."""
    high = table(50, 44, *[40] * 15)
    both = table(50, 44, *[40] * 15, *[5] * 16)

    assert corrected(both, "c0").mean == pytest.approx(corrected(high, "c0").mean, abs=0.01)
    assert corrected(high, "c0").mean < 0.84


def exact(shares: list[tuple[float, float]], winner: int) -> float:
    """The posterior mean by adding up all partitions of ordered (right, rows) pairs into neighbours."""
    total = mean = 0.0
    for parted in product([False, True], repeat=len(shares) - 1):
        edges = [0, *(i + 1 for i, cut in enumerate(parted) if cut), len(shares)]
        weight, value = 1.0, 0.0
        for a, b in pairwise(edges):
            right, rows = (sum(pair[side] for pair in shares[a:b]) for side in (0, 1))
            beta = math.gamma(right + 1) * math.gamma(rows - right + 1) / math.gamma(rows + 2)
            weight *= beta * math.factorial(b - a - 1)
            value = right / rows if a <= winner < b else value
        total += weight
        mean += weight * value
    return mean / total


def test_all_partitions() -> None:
    """The sum over partitions is that of writing them all down.

    In a Latin square of scores all rows are equally hard, and few degrees of freedom leave the scores'
    dispersion at 1, so that the shares count as they are.
    """
    scores = {
        "c0": {"r0": 1.0, "r1": 1.0, "r2": 0.0, "r3": 1.0},
        "c1": {"r0": 0.0, "r1": 0.0, "r2": 1.0, "r3": 0.0},
        "c2": {"r0": 1.0, "r1": 0.0, "r2": 1.0, "r3": 0.0},
    }

    assert corrected(scores, "c0").mean == pytest.approx(exact([(1, 4), (2, 4), (3, 4)], 2))


def test_early_dropped_count() -> None:
    """Many that failed on few rows make the winner's luck likelier than if they had never been."""
    few = table(40, 34, 30)
    many = few | {
        f"d{n}": dict(list(one.items())[:10]) for n, one in enumerate(table(40, *[27] * 30).values())
    }

    assert corrected(many, "c0").mean < corrected(few, "c0").mean - 0.02


def test_easy_first_rows() -> None:
    """Losers that met only the easy rows are taken down for it, those that met all rows are left alone."""
    draws = Random("easy")

    def scores(rows: int) -> dict[str, float]:
        return {f"r{row:02}": float(draws.random() < (0.9 if row < 20 else 0.3)) for row in range(rows)}

    early = {f"early{n}": scores(20) for n in range(8)}
    full = {f"full{n}": scores(60) for n in range(8)}
    shares, dispersion = _adjust(_table(early | full, "full0"))

    assert fmean(fmean(one.values()) for one in early.values()) > 0.85
    assert 0.5 < fmean(shares[:8]) < 0.75
    assert fmean(shares[8:]) == pytest.approx(fmean(fmean(one.values()) for one in full.values()))
    assert 0.5 < dispersion < 0.8


def test_hard_first_rows() -> None:
    """Losers that met only hard rows, all in vain, do not make the winner a bad one."""
    hard = {f"r{row}": float(row >= 20) for row in range(40)}
    reference = {f"full{n}": hard | {f"r{39 - n}": 0.0} for n in range(6)}
    early = {f"early{n}": {f"r{row}": 0.0 for row in range(20)} for n in range(10)}

    assert corrected({"w": hard | {"r0": 1.0}, **reference, **early}, "w").mean > 0.45


def test_tied_winners() -> None:
    """Of two with the same score it does not matter which one is called the winner."""
    scores = table(40, 33, 33, *[25] * 8)

    assert corrected(scores, "c0") == corrected(scores, "c1")


tables = st.integers(1, 12).flatmap(
    lambda n: st.lists(
        st.lists(st.sampled_from([None, 0.0, 0.25, 1.0]), min_size=n, max_size=n), min_size=1, max_size=6
    )
)


def as_scores(values: list[list[float | None]]) -> Scores:
    """A table with missing scores as a mapping."""
    return {
        f"c{c}": {f"r{row}": v for row, v in enumerate(one) if v is not None} for c, one in enumerate(values)
    }


@given(tables)
@settings(deadline=None)
def test_bounds(values: list[list[float | None]]) -> None:
    """Whatever the scores, the mean is between 0 and the plain one and the interval holds the plain one."""
    scores = as_scores(values)
    plain = mean_interval(list(scores["c0"].values()))
    ours = corrected(scores, "c0")

    assert 0 <= ours.low <= ours.mean + 1e-12
    assert ours.mean <= plain.mean
    assert ours.low <= plain.low
    assert (plain.high, plain.n) == (ours.high, ours.n)


@given(tables, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order(values: list[list[float | None]], shuffle: Random) -> None:
    """The order of candidates and rows does not matter, to the last bit."""
    scores = as_scores(values)
    names = sorted(scores, key=lambda _: shuffle.random())
    mixed = {c: dict(sorted(scores[c].items(), key=lambda _: shuffle.random())) for c in names}

    assert corrected(scores, "c0") == corrected(mixed, "c0")


@given(tables)
@settings(deadline=None)
def test_alone(values: list[list[float | None]]) -> None:
    """Without another candidate that has a score there was nothing to pick from."""
    mine = as_scores(values)["c0"]
    assume(mine)

    assert mean_interval(list(mine.values())) == corrected({"c0": mine, "c1": {}}, "c0")


def test_more_rivals_more_luck() -> None:
    """The more candidates of the same kind there were, the less the best of them is believed."""
    means = [corrected(table(50, 42, *[35] * others), "c0").mean for others in (1, 2, 4, 8, 16, 64)]

    assert sorted(means, reverse=True) == means
    assert means[0] - means[-1] > 0.03


def test_better_winner_better_mean() -> None:
    """With the same rivals, more right rows of the winner never make its corrected mean smaller."""
    means = [corrected(table(50, right, *[30] * 10), "c0").mean for right in range(30, 51, 2)]

    assert sorted(means) == means


def test_all_same() -> None:
    """Copies of one prompt leave nothing to be lucky with."""
    one = {f"r{row}": float(row % 3 > 0) for row in range(30)}
    interval = corrected({f"c{n}": one for n in range(20)}, "c3")

    assert interval.mean == pytest.approx(20 / 30)
    assert interval.low == pytest.approx(wilson(20, 30).low)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_constant(value: float) -> None:
    """Scores that are the same everywhere are what they are."""
    scores = {f"c{n}": {f"r{row}": value for row in range(20)} for n in range(5)}

    assert corrected(scores, "c0").mean == pytest.approx(value)


def test_one_row() -> None:
    """One row says next to nothing, of any number of candidates."""
    scores = {f"c{n}": {"r0": float(n == 0)} for n in range(10)}
    interval = corrected(scores, "c0")

    assert interval.mean < 0.7
    assert interval.low < 0.21
    assert (1.0, 1) == (interval.high, interval.n)


def test_failed_rows() -> None:
    """A few missing rows change little."""
    scores = table(50, 42, *[36] * 20)
    holes = {
        c: {row: v for row, v in one.items() if row not in ("r3", f"r{c[1:]}")} for c, one in scores.items()
    }
    whole, less = corrected(scores, "c0"), corrected(holes, "c0")

    assert less.mean == pytest.approx(whole.mean, abs=0.02)
    assert (50, 48) == (whole.n, less.n)


def test_nothing_known() -> None:
    """A winner without a score has no interval; one that is unknown is an error."""
    assert EMPTY == corrected({"c0": {}, "c1": {"r0": 1.0}}, "c0")
    with pytest.raises(KeyError):
        corrected({"c1": {"r0": 1.0}}, "c0")


def test_fast_enough() -> None:
    """100 candidates on 200 rows take a moment."""
    rng = np.random.default_rng(0)
    scores, winner, _ = draw(Scenario("large", (0.7,) * 100, 200, cohorts=4), rng)
    began = time.process_time()
    corrected(scores, winner)

    assert time.process_time() - began < 0.3


def test_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crowd parted in steps gives what it gives one by one, nearly."""
    scores = table(60, 55, 53, 52, 51, 50, *(n % 40 for n in range(400)))
    stepwise = corrected(scores, "c0").mean
    monkeypatch.setattr("apo.selection.FAR", len(scores))

    assert stepwise == pytest.approx(corrected(scores, "c0").mean, abs=0.002)
    assert stepwise < 54 / 60
