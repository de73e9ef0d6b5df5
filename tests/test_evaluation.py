"""Evaluating: each pair once, in chunks, with failures as values and no row shown its own answer."""

from dataclasses import replace

import pytest

from apo.backends import Backend, Completion, Request
from apo.backends.scripted import Scripted
from apo.candidate import Candidate, Evaluation, Failure, Usage
from apo.errors import RunError
from apo.evaluation import Evaluator, Pair
from apo.prompt import Exemplar, Layout, Prompt, as_text
from apo.task import Decoding, Task
from tests.helpers import FrozenClock, skilled

SEED = Candidate("c0", Prompt("Name the colour."))


def pairs(task: Task, count: int = 20, candidate: Candidate = SEED) -> list[Pair]:
    """The first dev rows with one candidate."""
    return [(candidate, row) for row in task.dev[:count]]


def evaluator(task: Task, backend: Backend, **changes: object) -> Evaluator:
    """An evaluator of the task whose time stands still."""
    made = Evaluator(backend, task.scorer, task.decoding, clock=lambda: 0.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def flat(chunks: object) -> list[Evaluation]:
    """All evaluations of some chunks."""
    return [one for chunk in chunks for one in chunk]  # type: ignore[attr-defined]


def test_every_pair_once(toy_task: Task) -> None:
    """Each pair is asked once and its evaluation names candidate and row."""
    backend = Scripted(skilled(toy_task))
    other = Candidate("c1", Prompt("Which colour?"))
    asked = [*pairs(toy_task), *pairs(toy_task, candidate=other)]
    done = flat(evaluator(toy_task, backend).evaluate(asked))

    assert [(c.id, row.id) for c, row in asked] == [(e.candidate, e.example) for e in done]
    assert len(asked) == len(backend.requests)


def test_repeated_pair_asked_once(toy_task: Task) -> None:
    """A pair that is given twice is asked and paid once."""
    backend = Scripted(skilled(toy_task))
    done = flat(evaluator(toy_task, backend).evaluate(pairs(toy_task, 1) * 3))

    assert (1, 1) == (len(done), len(backend.requests))


def test_scores(toy_task: Task) -> None:
    """An output is scored by the task's scorer and kept with what it used."""
    backend = Scripted(lambda _: "It is red.")
    done = flat(evaluator(toy_task, backend).evaluate(pairs(toy_task, 2)))

    assert ["It is red."] * 2 == [e.output for e in done]
    assert [toy_task.scorer("It is red.", row) for row in toy_task.dev[:2]] == [e.score for e in done]
    assert [Usage(8, 3)] * 2 == [e.usage for e in done]


@pytest.mark.parametrize("kind", ["timeout", "connection", "server", "context", "refusal", "request"])
def test_failure_is_not_scored(toy_task: Task, kind: str) -> None:
    """A failed row has its failure and no score, and its neighbours are scored."""
    failure = Failure(kind, "why")  # type: ignore[arg-type]
    row = toy_task.dev[1]
    backend = Scripted(lambda r: failure if row.input in as_text(r.rendered) else "red")
    done = flat(evaluator(toy_task, backend).evaluate(pairs(toy_task, 3)))

    assert [None, failure, None] == [e.failure for e in done]
    assert [False, True, False] == [e.score is None for e in done]


def test_cut_off_is_kept(toy_task: Task) -> None:
    """An output that the token limit stopped is scored and marked."""
    backend = Scripted(lambda _: Completion("red", Usage(1, 64), cut_off=True))
    (done,) = flat(evaluator(toy_task, backend).evaluate(pairs(toy_task, 1)))

    assert done.cut_off
    assert done.score is not None


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [
        pytest.param(1, [1] * 20, id="single"),
        pytest.param(8, [8, 8, 4], id="rest"),
        pytest.param(10, [10, 10], id="even"),
        pytest.param(64, [20], id="one"),
    ],
)
def test_chunks_by_rows(toy_task: Task, rows: int, sizes: list[int]) -> None:
    """A chunk holds so many rows, the last one the rest; none is empty."""
    chunks = evaluator(toy_task, Scripted(skilled(toy_task)), chunk_rows=rows).evaluate(pairs(toy_task))

    assert sizes == [len(chunk) for chunk in chunks]


def test_chunks_near_the_end(toy_task: Task) -> None:
    """Once little is left to do every answer is handed over at once."""
    left = iter([False] * 10 + [True] * 1000)
    opened = evaluator(toy_task, Scripted(skilled(toy_task)), chunk_rows=100, ending=lambda: next(left))
    sizes = [len(chunk) for chunk in opened.evaluate(pairs(toy_task))]
    assert sizes == [11] + [1] * (len(toy_task.dev) - 11)


def test_chunks_by_time(toy_task: Task, clock: FrozenClock) -> None:
    """A chunk is handed over when its time is up."""

    def slow(request: Request) -> str | Failure:
        clock.advance(0.2)
        return skilled(toy_task)(request)

    chunks = evaluator(toy_task, Scripted(slow), clock=clock).evaluate(pairs(toy_task, 7))

    assert [3, 3, 1] == [len(chunk) for chunk in chunks]


def test_nothing_to_do(toy_task: Task) -> None:
    """Without pairs there is no chunk and no request."""
    backend = Scripted(skilled(toy_task))

    assert [] == list(evaluator(toy_task, backend).evaluate([]))
    assert [] == backend.requests


def test_asked_as_chunks_are_taken(toy_task: Task) -> None:
    """What is not waited for is not asked."""
    backend = Scripted(skilled(toy_task))
    next(evaluator(toy_task, backend, chunk_rows=5).evaluate(pairs(toy_task)))

    assert 5 == len(backend.requests)


def test_own_exemplar_hidden(toy_task: Task) -> None:
    """A row is asked without the exemplar made from it; the others see it."""
    row = toy_task.dev[0]
    exemplars = (Exemplar(row.input, "a telling answer", row.id), Exemplar("Ball 7?", "blue", "row-7"))
    backend = Scripted(skilled(toy_task))
    candidate = Candidate("c1", Prompt("Name the colour.", exemplars))
    list(evaluator(toy_task, backend).evaluate(pairs(toy_task, 3, candidate)))
    texts = [as_text(request.rendered) for request in backend.requests]

    assert [False, True, True] == ["a telling answer" in text for text in texts]
    assert [1, 1, 1] == [text.count("Ball 7?") for text in texts]


def test_greedy_and_constrained(toy_task: Task) -> None:
    """Requests are greedy and carry the task's token limit and labels."""
    backend = Scripted(lambda _: "red")
    decoding = Decoding(5, ("red", "blue"))
    list(evaluator(toy_task, backend, decoding=decoding).evaluate(pairs(toy_task, 1)))
    (request,) = backend.requests

    assert (0.0, None, 5, ("red", "blue")) == (
        request.temperature,
        request.seed,
        request.max_tokens,
        request.choices,
    )


def test_stops_of_the_layout(toy_task: Task) -> None:
    """A plain completion is stopped at the end of its line, a chat is not."""
    backend = Scripted(lambda _: "red")
    plain = Candidate("c1", Prompt("Name it.", (), Layout("completion")))
    list(evaluator(toy_task, backend).evaluate([*pairs(toy_task, 1), *pairs(toy_task, 1, plain)]))

    assert [(), ("\n",)] == [request.stop for request in backend.requests]


@pytest.mark.parametrize("error", [RunError("no key"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_answered_rows_survive_the_end(toy_task: Task, error: BaseException) -> None:
    """What was answered before a backend broke comes out before its error does: it is paid for."""

    def breaks(request: Request) -> str:
        if as_text(request.rendered).endswith(toy_task.dev[5].input):
            raise error
        return "red"

    chunks = evaluator(toy_task, Scripted(breaks)).evaluate(pairs(toy_task))
    came = next(chunks)

    assert [row.id for row in toy_task.dev[:5]] == [one.example for one in came]
    with pytest.raises(type(error)):
        next(chunks)
