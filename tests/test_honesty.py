"""The winner's corrected score is near the truth and its interval holds it, counted over simulated runs."""

import math
from statistics import fmean

import numpy as np
import pytest

from tests.benchmarks.honesty import Scenario, draw, measure, spread

EQUAL = Scenario("equal", (0.7,) * 32, 50)


def test_simulation_expects() -> None:
    """The best of 32 at .70 shows .828 on 50 rows in expectation, as exact arithmetic says."""
    at_most = np.cumsum([math.comb(50, n) * 0.7**n * 0.3 ** (50 - n) for n in range(51)])
    expected = float((1 - at_most**32).sum()) / 50
    rng = np.random.default_rng(1)
    seen = [fmean(scores[winner].values()) for scores, winner, _ in (draw(EQUAL, rng) for _ in range(300))]

    assert expected == pytest.approx(0.828, abs=0.001)
    assert fmean(seen) == pytest.approx(expected, abs=0.008)


@pytest.mark.parametrize("hardness", [0.0, 0.5])
@pytest.mark.parametrize("parts", [1, 4])
def test_simulation_quality(hardness: float, parts: int) -> None:
    """Simulated scores have the means that they are said to have."""
    rng = np.random.default_rng(2)
    scenario = Scenario("three", (0.1, 0.7, 0.9), 4000, hardness, parts)
    scores, winner, quality = draw(scenario, rng)
    means = sorted(fmean(one.values()) for one in scores.values())

    assert means == pytest.approx([0.1, 0.7, 0.9], abs=0.03)
    assert (max(scores, key=lambda c: sum(scores[c].values())), 0.9) == (winner, quality)


def test_simulation_halving() -> None:
    """Halved prompts have rungs of the scheduler as their numbers of rows."""
    scores, winner, _ = draw(Scenario("halved", (0.7,) * 32, 50, cohorts=1), np.random.default_rng(0))
    lengths = sorted(len(one) for one in scores.values())

    assert [13] * 16 + [25] * 8 + [50] * 8 == lengths
    assert len(scores[winner]) == 50


def test_requirement() -> None:
    """Of 32 equal prompts on 50 rows the corrected winner is near .70, where the plain one is far off."""
    plain, ours = measure(EQUAL, 200)

    assert plain.bias > 0.11
    assert plain.coverage < 0.75
    assert abs(ours.bias) < 0.02
    assert ours.coverage >= 0.9
    assert ours.width < 0.38


ALSO = [
    Scenario("two", (0.7,) * 2, 50),
    Scenario("many", (0.7,) * 100, 50),
    Scenario("rare", (0.1,) * 32, 50),
    Scenario("good", (0.9,) * 32, 50),
    Scenario("clusters", (0.1,) * 16 + (0.8,) * 16, 50),
    Scenario("ladder", spread(0.6, 0.8, 32), 50),
    Scenario("graded", (0.7,) * 32, 50, parts=4),
    Scenario("graded ladder", spread(0.6, 0.8, 32), 50, parts=4),
    Scenario("hard rows", (0.7,) * 32, 50, hardness=0.8),
    Scenario("halved", (0.7,) * 32, 50, cohorts=1),
    Scenario("halved, hard rows", (0.7,) * 32, 200, hardness=0.5, cohorts=4),
]


@pytest.mark.parametrize("scenario", ALSO, ids=[s.name for s in ALSO])
def test_near_unbiased(scenario: Scenario) -> None:
    """Elsewhere too: less biased than the plain mean, by far, and honest."""
    plain, ours = measure(scenario, 100)

    assert plain.bias > 0.015
    assert abs(ours.bias) < 0.025
    assert abs(ours.bias) < plain.bias
    assert ours.coverage >= max(0.9, plain.coverage)
