"""Failures of a whole run: counted by kind, the seed's first one told, and rows that do not fit."""

from apo import events
from apo.candidate import Candidate, Evaluation, Failure, FailureKind
from apo.failures import first_failure, kinds, unfit_rows
from apo.history import History
from apo.prompt import Prompt
from tests.helpers import evaluation, history_of, proposed, started, toy_spec, toy_task

TASK = toy_task()
SEED, OTHER = Candidate("c0", TASK.seed), Candidate("c1", Prompt("x"))
ROWS = [row.id for row in TASK.dev]


def failed(candidate: str, row: str, kind: FailureKind, message: str = "") -> Evaluation:
    """An evaluation that failed like this."""
    return evaluation(candidate, row, None, failure=Failure(kind, message))


def state(*done: Evaluation, sealed: tuple[Evaluation, ...] = ()) -> History:
    """A history of two candidates with these evaluations."""
    return history_of(
        started(TASK, toy_spec()),
        *proposed(SEED, OTHER),
        events.EvaluationsFinished(evaluations=done),
        events.EvaluationsFinished(evaluations=sealed, sealed=True),
    )


def test_nothing_failed() -> None:
    """Without a failure there is nothing to count or to tell."""
    history = state(evaluation("c0", ROWS[0], 1.0), evaluation("c0", ROWS[1], 0.0))

    assert ({}, "", set()) == (kinds(history), first_failure(history), unfit_rows(history, "c0"))


def test_kinds_counts_all_candidates_and_the_test() -> None:
    """Failures are counted by kind over all candidates, the sealed test included; wrong answers are none."""
    history = state(
        failed("c0", ROWS[0], "timeout"),
        failed("c1", ROWS[0], "timeout"),
        failed("c1", ROWS[1], "server"),
        evaluation("c1", ROWS[2], 0.0),
        sealed=(failed("c0", TASK.test[0].id, "refusal"), evaluation("c0", TASK.test[1].id, 1.0)),
    )

    assert {"timeout": 2, "server": 1, "refusal": 1} == kinds(history)


def test_first_failure_is_the_seeds() -> None:
    """The message tells of the seed's first failure, in its own words, not of another's."""
    hostile = "no\x1b[31m {{x}}"
    history = state(
        failed("c1", ROWS[0], "server", "other"),
        evaluation("c0", ROWS[0], 1.0),
        failed("c0", ROWS[1], "timeout", hostile),
        failed("c0", ROWS[2], "server", "later"),
    )

    assert f"The first failure was timeout: {hostile}" == first_failure(history)


def test_unfit_rows() -> None:
    """Only failures of the context say that a prompt is too long, and only its own."""
    history = state(
        failed("c1", ROWS[0], "context"),
        failed("c1", ROWS[1], "timeout"),
        failed("c1", ROWS[3], "context"),
        failed("c0", ROWS[2], "context"),
    )

    assert {ROWS[0], ROWS[3]} == unfit_rows(history, "c1")
    assert {ROWS[2]} == unfit_rows(history, "c0")
    assert set() == unfit_rows(history, "c9")


def test_empty_history() -> None:
    """A run without candidates has no failures."""
    assert ({}, "") == (kinds(History()), first_failure(History()))
