"""Predicted against measured: worked numbers, and what a surrogate that knows nothing looks like."""

import math
from collections.abc import Sequence
from random import Random
from statistics import NormalDist

import pytest

from apo import events
from apo.calibration import Pair, calibration
from apo.candidate import Candidate, Prediction
from apo.history import History
from apo.prompt import Prompt
from apo.statistics import wilson
from tests.helpers import evaluation, history_of, started, toy_spec, toy_task

TASK = toy_task()
Judged = tuple[float, float, int]
"""Predicted mean, its deviation, and how many of the 20 dev rows come out right."""


def judged(*steps: Sequence[Judged], rows: int = 20, screened: bool = False) -> History:
    """A run whose steps propose candidates with these predictions and results."""
    facts: list[events.Event] = [started(TASK, toy_spec())]
    number = 0
    for place, step in enumerate(steps):
        made = [Candidate(f"c{number + n}", Prompt(f"Say {number + n}.")) for n in range(len(step))]
        facts.append(events.StepStarted(step=place, side="instruction", component="opro"))
        facts.append(
            events.CandidatesProposed(
                step=place,
                candidates=tuple(made),
                predictions={c.id: Prediction(m, d) for c, (m, d, _) in zip(made, step, strict=True)},
                screened=screened,
            )
        )
        for candidate, (_, _, right) in zip(made, step, strict=True):
            done = [
                evaluation(candidate.id, row.id, float(n < right)) for n, row in enumerate(TASK.dev[:rows])
            ]
            facts.append(events.EvaluationsFinished(evaluations=tuple(done)))
        number += len(step)
    return history_of(*facts)


def test_nothing_predicted() -> None:
    """Without predictions there is nothing to say, and nothing against the surrogate."""
    found = calibration(history_of(started(TASK, toy_spec())))

    assert ((), None, None, 0, 1.0, False) == (
        found.pairs,
        found.rank,
        found.within,
        found.freedom,
        found.chance,
        found.in_vain,
    )


def test_deviation_worked() -> None:
    """A belief of .5 with deviation .1 expects of 20 rows: .01 + (.25 - .01) / 20 = .022."""
    pair = Pair("c1", 1, Prediction(0.5, 0.1), 0.79, 20, False)

    assert pair.deviation == pytest.approx(math.sqrt(0.022))
    assert pair.inside
    assert not Pair("c1", 1, Prediction(0.5, 0.1), 0.80, 20, False).inside


def test_belief_beyond_scores() -> None:
    """A mean that slipped above 1 has no noise of rows, and a wide belief none below its own."""
    assert Pair("c1", 1, Prediction(1.3, 0.0), 1.0, 20, False).deviation == 0
    assert Pair("c1", 1, Prediction(0.5, 0.8), 1.0, 20, False).deviation == pytest.approx(0.8)


def test_worked_run() -> None:
    """Two steps of four: one ranked without a mistake, one with two neighbours exchanged (rank .8)."""
    first = [(0.2, 0.1, 4), (0.3, 0.1, 8), (0.4, 0.1, 10), (0.5, 0.1, 12)]
    second = [(0.2, 0.1, 4), (0.3, 0.1, 8), (0.5, 0.1, 10), (0.4, 0.1, 20)]
    found = calibration(judged(first, second, screened=True))

    assert found.within == pytest.approx((3 * 1.0 + 3 * 0.8) / 6)
    assert 6 == found.freedom
    assert found.chance == pytest.approx(1 - NormalDist().cdf(0.9 * math.sqrt(6)))
    assert wilson(7, 8) == found.coverage
    assert found.error == pytest.approx(
        math.sqrt((0 + 0.01 + 0.01 + 0.01 + 0 + 0.01 + 0 + 0.36) / 8), abs=1e-9
    )
    assert all(pair.screened for pair in found.pairs)
    assert not found.in_vain


def test_rising_steps_are_no_knowledge() -> None:
    """Who predicts no more than the level of each step ranks well over all, and not at all within steps."""
    draw = Random(0)
    steps = [
        [(level / 20 + draw.uniform(-0.01, 0.01), 0.1, level + draw.randint(-2, 2)) for _ in range(8)]
        for level in (4, 8, 12, 16)
    ]
    found = calibration(judged(*steps))

    assert found.rank is not None
    assert found.within is not None
    assert found.rank > 0.8
    assert abs(found.within) < 0.3
    assert found.in_vain


def test_level_steps_say_nothing() -> None:
    """Steps in which either side does not vary are left out, and one candidate is no order."""
    found = calibration(
        judged([(0.5, 0.1, 8), (0.5, 0.1, 4)], [(0.4, 0.1, 8), (0.5, 0.1, 8)], [(0.4, 0.1, 2)])
    )

    assert (None, 0, 1.0) == (found.within, found.freedom, found.chance)


def test_chance_holds() -> None:
    """Of surrogates that know nothing, one in ten is taken for one that knows something."""
    taken = 0
    for seed in range(400):
        draw = Random(f"chance/{seed}")
        steps = [[(draw.random(), 0.1, draw.randint(0, 20)) for _ in range(6)] for _ in range(3)]
        taken += not calibration(judged(*steps)).in_vain

    assert 20 <= taken <= 60


def test_unmeasured_are_left_out() -> None:
    """A prediction that was not followed by a row is no evidence."""
    found = calibration(judged([(0.5, 0.1, 8), (0.6, 0.1, 4)], rows=0))

    assert () == found.pairs
