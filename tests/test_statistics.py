"""Intervals: known values, fixed draws, and coverage that is counted."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.statistics import EMPTY, LEAST_ROWS, bootstrap, mean_interval, paired_difference, wilson

zero_or_one = st.sampled_from([0.0, 1.0])
share = st.floats(0, 1)
KNOWN = [
    (169, 200, 0.788, 0.889),
    (167, 200, 0.777, 0.880),
    (164, 200, 0.761, 0.867),
    (67, 80, 0.742, 0.903),
    (65, 80, 0.713, 0.883),
    (153, 200, 0.702, 0.818),
    (64, 80, 0.700, 0.873),
    (31, 40, 0.625, 0.877),
    (138, 200, 0.623, 0.750),
    (30, 40, 0.598, 0.858),
    (29, 40, 0.572, 0.839),
    (14, 20, 0.481, 0.855),
    (13, 20, 0.433, 0.819),
    (12, 20, 0.387, 0.781),
    (11, 20, 0.342, 0.742),
    (3, 3, 0.439, 1.0),
    (0, 3, 0.0, 0.561),
]


@pytest.mark.parametrize(("right", "n", "low", "high"), KNOWN, ids=[f"{k}of{n}" for k, n, *_ in KNOWN])
def test_wilson_known(right: int, n: int, low: float, high: float) -> None:
    """Wilson's interval has the published values."""
    interval = wilson(right, n)

    assert (right / n, n) == (interval.mean, interval.n)
    assert (low, high) == (round(interval.low, 3), round(interval.high, 3))


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_bounds(case: tuple[int, int]) -> None:
    """The interval lies in [0, 1], holds the share and mirrors that of the failures."""
    right, n = case
    ours, theirs = wilson(right, n), wilson(n - right, n)

    assert 0 <= ours.low <= ours.mean + 1e-12
    assert ours.mean <= ours.high + 1e-12 <= 1 + 1e-12
    assert ours.low == pytest.approx(1 - theirs.high, abs=1e-9)


def test_wilson_narrows() -> None:
    """More rows of the same share make a narrower interval."""
    widths = [wilson(n * 0.8, n) for n in (10, 50, 200, 1000)]

    assert sorted(widths, key=lambda i: i.low) == widths
    assert sorted(widths, key=lambda i: -i.high) == widths


@given(st.lists(zero_or_one, min_size=1))
def test_binary_is_wilson(values: list[float]) -> None:
    """Scores of 0 and 1 get Wilson's interval, in whatever order."""
    assert wilson(sum(values), len(values)) == mean_interval(values)


def test_no_values() -> None:
    """Nothing is known from no row."""
    assert EMPTY == mean_interval([]) == paired_difference({}, {"a": 1.0})
    assert EMPTY.n == 0


@given(st.lists(share, min_size=1, max_size=40))
def test_graded(values: list[float]) -> None:
    """Graded scores get an interval around their mean, the same in any order and never of width 0."""
    interval = mean_interval([*values, 0.5])

    assert mean_interval([0.5, *reversed(values)]) == interval
    assert 0 <= interval.low <= interval.mean <= interval.high <= 1
    assert interval.low < interval.high or len(values) >= LEAST_ROWS - 1
    assert interval.mean == pytest.approx(sum(values, 0.5) / (len(values) + 1))
    assert interval.n == len(values) + 1


def test_bootstrap_like_normal() -> None:
    """On many rows the percentiles agree with the normal approximation."""
    values = [(n % 10) / 10 for n in range(400)]
    interval = bootstrap(values)
    error = 0.2872 / 400**0.5

    assert interval.low == pytest.approx(0.45 - 1.96 * error, abs=0.004)
    assert interval.high == pytest.approx(0.45 + 1.96 * error, abs=0.004)


def test_paired_shared_rows_only() -> None:
    """Rows that one side lacks say nothing."""
    ours = {"a": 1.0, "b": 0.0, "c": 1.0, "mine": 0.0}
    theirs = {"c": 0.0, "b": 0.0, "a": 1.0, "yours": 1.0}
    interval = paired_difference(ours, theirs)

    assert pytest.approx(1 / 3) == interval.mean
    assert interval.n == 3


def test_paired_nothing_shared() -> None:
    """Without a shared row there is no difference."""
    assert EMPTY == paired_difference({"a": 1.0}, {"b": 0.0})


rows = st.dictionaries(st.sampled_from("abcdefghij"), zero_or_one)


@given(rows, rows)
def test_paired_mirrors(ours: dict[str, float], theirs: dict[str, float]) -> None:
    """Theirs minus ours is ours minus theirs with the sign turned."""
    there, back = paired_difference(ours, theirs), paired_difference(theirs, ours)

    assert there.mean == pytest.approx(-back.mean)
    assert there.low == pytest.approx(-back.high, abs=1e-9)


@given(rows, rows, st.randoms(use_true_random=False))
def test_paired_order(ours: dict[str, float], theirs: dict[str, float], shuffle: Random) -> None:
    """The order in which rows came does not matter."""
    mixed = list(ours.items())
    shuffle.shuffle(mixed)

    assert paired_difference(ours, theirs) == paired_difference(dict(mixed), theirs)


def test_paired_same() -> None:
    """Equal scores differ by nothing, for certain."""
    scores = {str(n): float(n % 2) for n in range(50)}
    interval = paired_difference(scores, scores)

    assert (0.0, 0.0, 0.0, 50) == (interval.mean, interval.low, interval.high, interval.n)


def test_paired_sharper() -> None:
    """On rows of unlike difficulty, pairing finds what two intervals leave open."""
    theirs = {str(n): float(n % 2) for n in range(100)}
    ours = {row: 1.0 if int(row) % 12 == 0 else value for row, value in theirs.items()}
    alone = mean_interval(list(ours.values()))

    assert alone.low < mean_interval(list(theirs.values())).high
    assert paired_difference(ours, theirs).low > 0


@pytest.mark.parametrize(("n", "rate"), [(20, 0.5), (20, 0.9), (100, 0.8), (200, 0.95)])
def test_wilson_coverage(n: int, rate: float) -> None:
    """The interval holds the true share in about 95 of 100 draws."""
    draws = Random(f"coverage/{n}/{rate}")
    intervals = [mean_interval([float(draws.random() < rate) for _ in range(n)]) for _ in range(1000)]
    held = sum(i.low <= rate <= i.high for i in intervals) / len(intervals)

    assert 0.92 <= held <= 0.985


def test_paired_coverage() -> None:
    """The interval of a difference holds the true one in about 95 of 100 draws of 100 rows."""
    draws = Random("paired coverage")
    held = 0
    for _ in range(300):
        pairs = [(draws.random() < 0.8, draws.random() < 0.7) for _ in range(100)]
        ours, theirs = ({str(n): float(p[side]) for n, p in enumerate(pairs)} for side in (0, 1))
        interval = paired_difference(ours, theirs)
        held += interval.low <= 0.1 <= interval.high

    assert 0.90 <= held / 300 <= 0.99
