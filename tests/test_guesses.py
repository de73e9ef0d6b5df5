"""What an engine that runs ahead of itself takes for the scores that are missing."""

import statistics
from random import Random

from apo import events
from apo.backends import Request
from apo.candidate import Candidate
from apo.guesses import HOLE, Guesser, Mute
from apo.history import History
from apo.prompt import Layout, Prompt
from tests.helpers import evaluation, history_of, proposed, started, toy_spec, toy_task

TASK = toy_task(120)
ROWS = TASK.dev[:50]


def candidate(number: int) -> Candidate:
    """One with a prompt of its own."""
    return Candidate(f"c{number}", Prompt(f"Say {number}.", (), Layout()))


def told(*scores: tuple[str, list[float]]) -> History:
    """A history in which candidates c0, c1, c2 have these scores."""
    facts = [
        events.EvaluationsFinished(
            evaluations=tuple(
                evaluation(name, row.id, value) for row, value in zip(TASK.dev, values, strict=False)
            )
        )
        for name, values in scores
    ]
    return history_of(started(TASK, toy_spec()), *proposed(*(candidate(n) for n in range(3))), *facts)


def guessed(history: History, number: int, draw: int) -> list[float]:
    """Scores of ROWS for a candidate in one branch."""
    foreseen: list[Request] = []
    guesser = Guesser(Mute(foreseen), TASK.scorer, TASK.decoding, history=history, far=99, rng=Random(draw))
    (chunk,) = guesser.evaluate((candidate(number), row) for row in ROWS)
    assert len(ROWS) == len(foreseen)
    return [one.score.value for one in chunk if one.score is not None]


def test_how_good_a_candidate_is_differs_between_branches() -> None:
    """With 5 of 10 rows right its mean is as uncertain as 10 rows leave it, not as good as known."""
    history = told(("c1", [0.0, 1.0] * 5))
    means = [statistics.fmean(guessed(history, 1, draw)) for draw in range(300)]

    assert abs(statistics.fmean(means) - 0.5) < 0.05
    # The bootstrap of 10 rows (.25 / 10) and 50 draws (.25 / 50); draws alone would leave .005.
    assert 0.02 < statistics.variance(means) < 0.04


def test_rows_that_are_alike_leave_room_for_others() -> None:
    """After 3 wrong rows a right one is still possible (Laplace: 1 of 5), after 40 hardly."""
    few = [statistics.fmean(guessed(told(("c1", [0.0] * 3)), 1, draw)) for draw in range(300)]
    many = [statistics.fmean(guessed(told(("c1", [0.0] * 40)), 1, draw)) for draw in range(300)]

    assert abs(statistics.fmean(few) - 1 / 5) < 0.05
    assert abs(statistics.fmean(many) - 1 / 42) < 0.01


def test_without_a_row_any_other_candidate_stands_for_it() -> None:
    """It is about as good as one of those so far in all of its rows, or like none of them."""
    history = told(("c0", [0.0] * 40), ("c1", [1.0] * 40))
    means = [statistics.fmean(guessed(history, 2, draw)) for draw in range(90)]
    low, high = sum(mean < 0.15 for mean in means), sum(mean > 0.85 for mean in means)

    assert 30 < low < 60
    assert 30 < high < 60
    assert low + high < 90


def test_before_any_row_anything_may_be() -> None:
    """One right and one wrong row are all that is known."""
    means = [statistics.fmean(guessed(told(), 1, draw)) for draw in range(200)]

    assert {0.0, 1.0} < {*means}
    assert abs(statistics.fmean(means) - 0.5) < 0.1


def test_a_text_that_is_guessed_is_a_hole() -> None:
    """What shows it to a model, as an exemplar or as a mistake, is not foreseen."""
    guesser = Guesser(Mute(), TASK.scorer, TASK.decoding, history=told(), far=99)
    (chunk,) = guesser.evaluate((candidate(0), row) for row in ROWS)

    assert {HOLE} == {one.output for one in chunk}
