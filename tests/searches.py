"""Views of searches whose prompts and outcomes are given, for tests of proposers."""

from collections.abc import Callable, Sequence

from apo import events
from apo.backends import Completion, Request
from apo.backends.scripted import Scripted
from apo.candidate import Candidate, Evaluation, Failure
from apo.history import History
from apo.metering import MeteredModel
from apo.prompt import Prompt, as_text
from apo.store.memory import MemoryStore
from apo.task import Task
from apo.view import SearchView
from tests.helpers import evaluation, letters, proposed, started, toy_spec, toy_task

Written = Callable[[Request], str | Failure | Completion]
"""What a proposal model replies."""


def numbered(request: Request) -> str:
    """A reply that is another instruction for each request."""
    return f"<INS>Child {request.seed}.</INS>"


def searched(prompts: Sequence[Prompt], scores: Sequence[float], written: Written = numbered) -> SearchView:
    """A search of the toy task whose prompts, each a child of the one before, score this on every dev row."""
    task = toy_task()
    line = [Candidate(f"c{n}", prompt, (f"c{n - 1}",) if n else ()) for n, prompt in enumerate(prompts)]
    done = [
        evaluation(c.id, row.id, score) for c, score in zip(line, scores, strict=True) for row in task.dev
    ]
    return outcome(task, line, done, written)


def outcome(
    task: Task, candidates: Sequence[Candidate], done: Sequence[Evaluation], written: Written = numbered
) -> SearchView:
    """A search with these candidates and evaluations."""
    store = MemoryStore()
    store.append(started(task, toy_spec()))
    for fact in proposed(*candidates):
        store.append(fact)
    store.append(events.EvaluationsFinished(evaluations=tuple(done)))
    model = MeteredModel(Scripted(written), 100)
    return SearchView(task.description, task.train, task.dev, History(store.read()), model, letters)


def asked(view: SearchView) -> list[str]:
    """What the proposal model was asked."""
    backend = view.model._backend
    assert isinstance(backend, Scripted)
    return [as_text(request.rendered) for request in backend.requests]
