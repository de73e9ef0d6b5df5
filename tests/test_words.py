"""Words: numbers and events as people read them, and no text that steers a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo import events, words
from apo.budget import Budget, Forecast, Spend
from apo.candidate import Candidate
from apo.history import History
from apo.prompt import Prompt
from apo.statistics import EMPTY, Interval
from apo.task import Task
from tests.helpers import FrozenClock, evaluation, history_of, proposed, started, toy_spec

SEED = Candidate("c0", Prompt("Name the colour."))
ONE = Candidate("c1", Prompt("Say it."), ("c0",), "opro", "instruction")
HALF = Interval(0.5, 0.25, 0.75, 20)
BETTER = Interval(0.155, 0.09, 0.22, 200)


def test_percent() -> None:
    """A score is in percent with its interval and its rows."""
    assert words.percent(Interval(0.845, 0.788, 0.889, 200)) == "84.5 % (78.8 to 88.9, n=200)"
    assert words.percent(EMPTY) == "no answered row"


def test_points() -> None:
    """A difference carries its sign."""
    assert words.points(BETTER) == "+15.5 points (+9.0 to +22.0)"
    assert words.points(Interval(-0.1, -0.2, 0.05, 9)) == "-10.0 points (-20.0 to +5.0)"
    assert words.points(EMPTY) == "no shared row"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (42.4, "42 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (360_000, "100 h 00 min"),
    ],
    ids=str,
)
def test_duration(seconds: float, expected: str) -> None:
    """A duration has its two largest units."""
    assert expected == words.duration(seconds)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0"), (950, "950"), (9999, "9999"), (10_000, "10.0k"), (12_345, "12.3k"), (4_100_000, "4.1M")],
    ids=str,
)
def test_count(number: int, expected: str) -> None:
    """A count stays short."""
    assert expected == words.count(number)


def test_forecast() -> None:
    """A forecast says what it stands on."""
    made = Forecast(1500, 1_200_000, 9000, 200.0, 16)

    assert words.forecast(made) == (
        "about 1500 calls, 1.2M prompt and 9000 completion tokens, 3 min 20 s (from the first 16 rows)"
    )


def test_spent() -> None:
    """A spend names its tokens by kind."""
    assert words.spent(Spend(7, 12_345, 99)) == "7 calls, 12.3k prompt and 99 completion tokens"


def timed(task: Task, calls: int, seconds: float) -> History:
    """A run that made so many calls in that time."""
    clock = FrozenClock()
    ticks = iter((0.0, 0.0, 0.0, seconds))

    def stepping() -> float:
        clock.advance(next(ticks))
        return clock()

    done = events.EvaluationsFinished(evaluations=tuple(evaluation("c0", str(n), 1.0) for n in range(calls)))
    return history_of(started(task, toy_spec()), *proposed(SEED), done, clock=stepping)


@pytest.mark.parametrize(
    ("budget", "calls", "expected"),
    [
        (Budget(calls=100), 25, 30.0),
        (Budget(calls=25), 25, 0.0),
        (Budget(calls=20), 25, 0.0),
        (Budget(seconds=40), 25, 30.0),
        (Budget(), 25, None),
        (Budget(calls=100), 0, None),
    ],
    ids=["calls", "spent", "overspent", "seconds", "no-limit", "no-call"],
)
def test_time_left(toy_task: Task, budget: Budget, calls: int, expected: float | None) -> None:
    """The time left follows from the pace so far, where there is one and an end."""
    assert expected == words.time_left(timed(toy_task, calls, 10.0), budget)


def said(task: Task, *facts: events.Event) -> str | None:
    """The line of the last of these events, in a run of seed and one candidate."""
    whole = (started(task, toy_spec()), *proposed(SEED), *proposed(ONE, step=1), *facts)
    return words.event(history_of(*whole), events.Record(len(whole), 0.0, whole[-1]))


def full(task: Task, candidate: str, right: int) -> events.EvaluationsFinished:
    """All dev rows of a candidate."""
    done = [evaluation(candidate, row.id, float(n < right)) for n, row in enumerate(task.dev)]
    return events.EvaluationsFinished(evaluations=tuple(done))


LINES: list[tuple[events.Event, str | None]] = [
    (events.StepStarted(step=0, side=None, component="seed"), "step 0: the seed prompt"),
    (events.StepStarted(step=3, side="instruction", component="opro"), "step 3: instruction by opro"),
    (events.ProblemReported(message="slow"), "problem: slow"),
    (events.RunFinished(reason="budget spent", best="c3"), "finished (budget spent): c3 is the best prompt"),
    (
        events.TestScored(candidate="c3", score=HALF, seed=EMPTY, difference=BETTER),
        "sealed test: c3 50.0 % (25.0 to 75.0, n=20), seed no answered row, "
        "difference +15.5 points (+9.0 to +22.0)",
    ),
    (events.CandidatePruned(candidate="c1", reason="x"), None),
    (events.CandidatesPromoted(rows={"c1": 9}), None),
    (events.CandidatesProposed(step=0, candidates=(SEED,)), None),
    (events.CandidatesProposed(step=1, candidates=()), "  0 candidates"),
    (events.CandidatesProposed(step=1, candidates=(ONE,), problem="slow"), "  1 candidate; slow"),
]


@pytest.mark.parametrize(("fact", "expected"), LINES, ids=lambda v: type(v).__name__)
def test_event(toy_task: Task, fact: events.Event, expected: str | None) -> None:
    """An event that people care about is a line; the others are none."""
    assert expected == said(toy_task, fact)


def test_event_started(toy_task: Task) -> None:
    """The first line says what meets what, and what gain so many dev rows can show."""
    start = started(toy_task, toy_spec())
    line = words.event(history_of(start), events.Record(0, 0.0, start))

    assert line is not None
    what, power = line.split("\n")
    assert what == "toy on toy-model (unknown engine): 20 train, 20 dev, 20 test rows"
    assert power.startswith("20 dev rows can tell a gain of 24 points from noise")
    assert power.endswith("For 10 points take 118 rows (--dev).")


def test_event_proposed(toy_task: Task) -> None:
    """Candidates are counted, and discards by their reason."""
    gone = tuple(events.Discard(reason, "") for reason in ("empty", "duplicate", "empty"))
    made = events.CandidatesProposed(step=1, candidates=(ONE, ONE), discarded=gone)

    assert said(toy_task, made) == "  2 candidates; discarded: 2 empty, 1 duplicate"


def test_event_step_finished(toy_task: Task) -> None:
    """The end of a step says whether there is a new best."""
    scores = (full(toy_task, "c0", 8), full(toy_task, "c1", 15))
    rose = events.StepFinished(step=1, gain=0.35, calls=20)
    stayed = events.StepFinished(step=1, gain=0.0, calls=20)

    assert said(toy_task, *scores, rose) == "  c1 is the new best: 75.0 % on dev (+35.0)"
    assert said(toy_task, *scores, stayed) == "  best stays c1: 75.0 % on dev"
    assert said(toy_task, stayed) is None


@pytest.mark.parametrize(
    ("candidate", "low", "high", "expected"),
    [
        ("c1", 0.01, 0.2, "Better than the seed prompt on the sealed test"),
        ("c1", -0.2, -0.01, "Worse than the seed prompt on the sealed test"),
        ("c1", -0.1, 0.1, "No improvement that the sealed test can tell from noise"),
        ("c1", 0.0, 0.1, "No improvement that the sealed test can tell from noise"),
        ("c0", 0.0, 0.0, "No improvement: no candidate beat the seed prompt on dev"),
    ],
    ids=["better", "worse", "noise", "edge", "seed"],
)
def test_verdict(toy_task: Task, candidate: str, low: float, high: float, expected: str) -> None:
    """The verdict claims no more than the interval of the difference."""
    difference = Interval((low + high) / 2, low, high, 20)
    tested = events.TestScored(candidate=candidate, score=HALF, seed=HALF, difference=difference)
    verdict = words.verdict(history_of(started(toy_task, toy_spec()), *proposed(SEED, ONE), tested))

    assert verdict is not None
    assert verdict.startswith(expected)


def test_no_verdict(toy_task: Task) -> None:
    """Before the test there is no verdict."""
    assert words.verdict(history_of(started(toy_task, toy_spec()))) is None


@given(st.text(st.characters()))
def test_printable(text: str) -> None:
    """No control, format or surrogate character is left, and nothing else is touched."""
    shown = words.printable(text)
    pairs = list(zip(text, shown, strict=True))

    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t"]
    assert all(a == b or b == "\N{REPLACEMENT CHARACTER}" for a, b in pairs)


@pytest.mark.parametrize("text", ["plain [bold]x[/bold]\n\tok", "é 日本 \N{PILE OF POO} ∑"], ids=ascii)
def test_printable_kept(text: str) -> None:
    """Letters of any script, signs and line breaks stay."""
    assert text == words.printable(text)
