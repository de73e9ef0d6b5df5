"""What an engine that runs ahead of itself takes for the scores that are missing."""

import statistics
from random import Random

from apo import events
from apo.backends import Request
from apo.candidate import Candidate
from apo.guesses import Guesser, Mute
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


def test_without_a_row_any_other_candidate_stands_for_it() -> None:
    """It is as good as one of those so far, in all of its rows."""
    history = told(("c0", [0.0] * 8), ("c1", [1.0] * 8))
    means = [statistics.fmean(guessed(history, 2, draw)) for draw in range(60)]

    assert {0.0, 1.0} == set(means)
    assert 15 < sum(means) < 45


def test_before_any_row_nothing_is_right() -> None:
    """There is nothing to draw from."""
    assert [0.0] * len(ROWS) == guessed(told(), 1, 0)
