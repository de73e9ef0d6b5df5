"""A surrogate step by step: worked numbers."""

import pytest

from apo.history import History
from apo.reporting.judgements import judgements
from tests.helpers import history_of, started, toy_spec, toy_task
from tests.reported import worked
from tests.test_calibration import judged

FIRST = [(0.2, 0.1, 4), (0.3, 0.1, 8), (0.4, 0.1, 10), (0.5, 0.1, 12)]
SECOND = [(0.2, 0.1, 4), (0.3, 0.1, 8), (0.5, 0.1, 10), (0.4, 0.1, 20)]


def test_worked_steps() -> None:
    """Four candidates in order, then four of which two are exchanged and one is far off; the last is best."""
    one, two = judgements(judged(FIRST, SECOND))

    assert [(0, 4, 4), (1, 4, 3)] == [(j.step, j.judged, j.inside) for j in (one, two)]
    assert (1.0, 0.8) == pytest.approx((one.rank, two.rank))
    assert (0.03 / 4) ** 0.5 == pytest.approx(one.error)
    assert (0.575, 0.475) == pytest.approx((one.regret, two.regret))
    assert (0.4, 0.0) == pytest.approx((one.left, two.left))


def test_regret_never_rises() -> None:
    """A worse step loses nothing that was found before it."""
    one, two = judgements(judged(SECOND, FIRST))

    assert (0.0, 0.0) == (one.left, two.left)
    assert two.regret > one.regret


def test_no_row_is_complete() -> None:
    """While nobody has met every row there is no best, and what was measured is all there is."""
    (one,) = judgements(judged(FIRST, rows=10))

    assert (4, 0.0) == (one.judged, one.left)


def test_other_steps_count() -> None:
    """What steps without predictions found is the best as well: of three steps one was judged."""
    (one,) = judgements(History(worked()))

    assert (2, "opro", 2, 0.0) == (one.step, one.component, one.judged, one.left)


def test_nothing_judged() -> None:
    """Without predictions there is no step to tell of."""
    assert () == judgements(history_of(started(toy_task(), toy_spec())))
