"""History: the state of a run follows from its events, and from nothing else."""

import pytest

from apo import events, words
from apo.budget import Forecast, Spend
from apo.candidate import Candidate, Evaluation, prompt_length, scored
from apo.errors import RunError
from apo.history import History
from apo.prompt import Exemplar, Prompt
from apo.statistics import EMPTY
from apo.task import Task
from tests.helpers import (
    FrozenClock,
    evaluation,
    history_of,
    proposed,
    run_engine,
    skilled,
    started,
    toy_spec,
)

SEED = Candidate("c0", Prompt("Name the colour."))
ONE = Candidate("c1", Prompt("Say which colour it is."), ("c0",), "opro", "instruction")
TWO = Candidate("c2", Prompt("Which colour?"), ("c0",), "opro", "instruction")


def answered(task: Task, candidate: str, right: int, rows: int = 20) -> events.EvaluationsFinished:
    """A candidate's evaluations on the first rows of dev, of which the first `right` are right."""
    done = [evaluation(candidate, row.id, float(n < right)) for n, row in enumerate(task.dev[:rows])]
    return events.EvaluationsFinished(evaluations=tuple(done))


def begun(task: Task, *facts: events.Event) -> History:
    """A history that starts with the seed, then two candidates, then these events."""
    return history_of(started(task, toy_spec()), *proposed(SEED), *proposed(ONE, TWO, step=1), *facts)


def test_empty() -> None:
    """Before the first event nothing is known, and asking for the run says so."""
    history = History()

    assert (0, 0.0, "starting", None) == (
        history.length,
        history.seconds,
        words.state(history),
        history.best(),
    )
    with pytest.raises(RunError, match="no RunStarted event"):
        _ = history.spec


def test_live_equals_replayed(toy_task: Task) -> None:
    """A history kept during a run is the one folded from its records afterwards."""
    live, store, _ = run_engine(toy_task, toy_spec(), skilled(toy_task))
    replayed = History(store.read())
    names = ("candidates", "pruned", "steps", "spend", "discards", "problems", "forecast", "tested", "length")

    assert [getattr(live, name) for name in names] == [getattr(replayed, name) for name in names]
    assert live.finished == replayed.finished is not None
    assert all(live.evaluations(c) == replayed.evaluations(c) for c in live.candidates)


def test_run_facts(toy_task: Task) -> None:
    """What the run was asked for is in its first event."""
    history = begun(toy_task)

    assert toy_spec() == history.spec
    assert toy_task.dev == history.dev
    assert toy_task.fingerprint == history.task.fingerprint
    assert history.server.model == "toy-model"


def test_candidates_in_order(toy_task: Task) -> None:
    """Candidates are kept in the order in which they were proposed."""
    history = begun(toy_task)

    assert [SEED, ONE, TWO] == list(history.candidates.values())
    assert ("c1", "c2") == history.steps[1].proposed


def test_step_before_proposal(toy_task: Task) -> None:
    """A step that has begun has no candidates yet."""
    history = begun(toy_task, events.StepStarted(step=2, side="layout", component="layout", width=4))

    assert history.steps[2].proposed is None
    assert (2, "layout", 4, False) == (
        history.steps[2].number,
        history.steps[2].side,
        history.steps[2].width,
        history.steps[2].finished,
    )


def test_step_finished(toy_task: Task) -> None:
    """A finished step knows what it gained and took."""
    step = begun(toy_task, events.StepFinished(step=1, gain=0.25, calls=7)).steps[-1]

    assert (True, 0.25, 7) == (step.finished, step.gain, step.calls)


def test_spend_by_role(toy_task: Task) -> None:
    """Each role's calls and tokens are counted apart, and together."""
    sealed = events.EvaluationsFinished(evaluations=(evaluation("c0", "row-40", 1.0),), sealed=True)
    more = events.CandidatesProposed(step=2, candidates=(), spend=Spend(3, 50, 9))
    step = events.StepStarted(step=2, side="instruction", component="opro")
    history = begun(toy_task, answered(toy_task, "c0", 3, 5), step, more, sealed)

    expected = {"task": Spend(5, 50, 10), "proposal": Spend(3, 50, 9), "test": Spend(1, 10, 2)}
    assert {**expected, "whitebox": Spend()} == history.spend
    assert Spend(9, 110, 21) == history.total


def test_failures_are_paid(toy_task: Task) -> None:
    """A request that failed counts as a call with the tokens it used."""
    failed = events.EvaluationsFinished(evaluations=(evaluation("c0", "row-20", None),))

    assert Spend(1, 7, 0) == begun(toy_task, failed).spend["task"]


def test_sealed_apart(toy_task: Task) -> None:
    """Evaluations of the sealed test never count as dev scores."""
    row = evaluation("c0", "row-40", 1.0)
    history = begun(toy_task, events.EvaluationsFinished(evaluations=(row,), sealed=True))

    assert not history.evaluations("c0")
    assert not history.scores("c0")
    assert {"row-40": row} == history.test_evaluations("c0")


def test_missing_is_not_zero(toy_task: Task) -> None:
    """A row without an answer is missing from the scores and from the mean."""
    rows = (
        evaluation("c0", "row-20", 1.0),
        evaluation("c0", "row-21", None),
        evaluation("c0", "row-22", 0.5),
    )
    history = begun(toy_task, events.EvaluationsFinished(evaluations=rows))

    assert {"row-20": 1.0, "row-22": 0.5} == history.scores("c0")
    assert history.mean("c0") == 0.75
    assert set(history.evaluations("c0")) == {"row-20", "row-21", "row-22"}


def test_mean_of_nothing(toy_task: Task) -> None:
    """Without an answered row the mean is 0, and an unknown candidate has no rows."""
    history = begun(toy_task)

    assert history.mean("c0") == history.mean("c99") == 0
    assert {} == history.evaluations("c99")


def test_scored() -> None:
    """Scores are taken from answered rows alone."""
    rows: dict[str, Evaluation] = {"a": evaluation("c0", "a", 0.0), "b": evaluation("c0", "b", None)}

    assert {"a": 0.0} == scored(rows)


@pytest.mark.parametrize(("rows", "full"), [(0, False), (19, False), (20, True)])
def test_is_full(toy_task: Task, rows: int, full: bool) -> None:
    """A candidate is full once every dev row was tried."""
    assert full == begun(toy_task, answered(toy_task, "c1", 1, rows)).is_full("c1")


def best_id(history: History) -> str | None:
    """The id of the best candidate."""
    best = history.best()
    return None if best is None else best.id


def test_best_needs_all_rows(toy_task: Task) -> None:
    """However lucky its rows, a candidate with fewer of them is not the best."""
    seed = answered(toy_task, "c0", 10)

    assert best_id(begun(toy_task, answered(toy_task, "c1", 19, 19))) is None
    assert best_id(begun(toy_task, seed, answered(toy_task, "c1", 19, 19))) == "c0"
    assert best_id(begun(toy_task, seed, answered(toy_task, "c1", 11))) == "c1"


def test_best_ties(toy_task: Task) -> None:
    """Equal means go to the shorter prompt."""
    tied = [answered(toy_task, c, 10) for c in ("c0", "c1", "c2")]

    assert best_id(begun(toy_task, *tied)) == "c2"


def test_best_same_length(toy_task: Task) -> None:
    """Equal means and lengths go to the older candidate."""
    twin = Candidate("c3", Prompt("Name the color!!"), ("c0",), "opro", "instruction")
    tied = [answered(toy_task, c, 10) for c in ("c3", "c0")]

    assert best_id(begun(toy_task, *proposed(twin, step=2), *tied)) == "c0"


@pytest.mark.parametrize(("lost", "expected"), [(2, "c1"), (3, "c0"), (19, "c0")])
def test_best_was_answered(toy_task: Task, lost: int, expected: str) -> None:
    """A candidate of whose rows more than a tenth got no answer does not win by the others."""
    rows = [evaluation("c1", row.id, 1.0 if n >= lost else None) for n, row in enumerate(toy_task.dev)]
    history = begun(
        toy_task, answered(toy_task, "c0", 18), events.EvaluationsFinished(evaluations=tuple(rows))
    )

    assert expected == best_id(history)


def test_best_not_pruned(toy_task: Task) -> None:
    """A dropped candidate cannot win."""
    facts = (answered(toy_task, "c0", 1), answered(toy_task, "c1", 20))
    dropped = events.CandidatePruned(candidate="c1", reason="does not fit")
    history = begun(toy_task, *facts, dropped)

    assert (best_id(history), history.pruned) == ("c0", {"c1": "does not fit"})


def test_best_of(toy_task: Task) -> None:
    """The best can be asked for among some."""
    history = begun(toy_task, *(answered(toy_task, f"c{n}", 10 + n) for n in range(3)))

    assert history.best_of(["c0", "c1"]) == ONE
    assert history.best_of([]) is None


def test_evaluated_again(toy_task: Task) -> None:
    """A row that was asked twice keeps its last answer, and both are paid."""
    again = events.EvaluationsFinished(evaluations=(evaluation("c0", toy_task.dev[0].id, 1.0),))
    history = begun(toy_task, answered(toy_task, "c0", 0, 1), again)

    assert (1.0, 2) == (history.mean("c0"), history.spend["task"].calls)


def test_step_calls(toy_task: Task) -> None:
    """A step's calls are those of its proposals and of its candidates' rows."""
    step = events.StepStarted(step=2, side="instruction", component="opro")
    third = Candidate("c3", Prompt("Colour?"), ("c0",), "opro", "instruction")
    made = events.CandidatesProposed(step=2, candidates=(third,), spend=Spend(4, 0, 0))
    history = begun(toy_task, answered(toy_task, "c0", 1), step, made, answered(toy_task, "c3", 1, 6))

    assert history.steps[2].calls == 10


def test_seconds(toy_task: Task) -> None:
    """Time is what passed between events; a clock that was set back costs nothing."""
    clock = FrozenClock()
    ticks = iter((0.0, 2.5, -100.0, 1.0))

    def stepping() -> float:
        clock.advance(next(ticks))
        return clock()

    history = history_of(
        started(toy_task, toy_spec()), *proposed(SEED), events.ProblemReported(message="x"), clock=stepping
    )

    assert history.seconds == 3.5


def test_counts_and_notes(toy_task: Task) -> None:
    """Discards are counted by reason; problems and the forecast are kept."""
    discards = tuple(events.Discard(reason, "x") for reason in ("empty", "duplicate", "empty"))
    made = Forecast(9, 8, 7, 6.0, 5)
    history = begun(
        toy_task,
        events.StepStarted(step=2, side="instruction", component="opro"),
        events.CandidatesProposed(step=2, candidates=(), discarded=discards),
        events.ProblemReported(message="slow"),
        events.ForecastMade(forecast=made),
    )

    assert {"empty": 2, "duplicate": 1} == dict(history.discards)
    assert (["slow"], made) == (history.problems, history.forecast)


def test_state(toy_task: Task) -> None:
    """A run is starting, running, finished."""
    first = started(toy_task, toy_spec())
    tested = events.TestScored(candidate="c0", score=EMPTY, seed=EMPTY, difference=EMPTY)
    ended = events.RunFinished(reason="budget spent", best="c0")
    stages = [history_of(first), begun(toy_task), begun(toy_task, tested), begun(toy_task, tested, ended)]

    assert ["starting", "running", "running", "finished"] == [words.state(history) for history in stages]
    assert (tested, ended) == (stages[3].tested, stages[3].finished)


def test_prompt_length() -> None:
    """The length is that of all texts of a prompt."""
    prompt = Prompt("abc", (Exemplar("de", "f"), Exemplar("", "gh")))

    assert prompt_length(Candidate("c0", prompt)) == 8
