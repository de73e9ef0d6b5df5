"""What several test files share: a small task, its model in a function, and runs without a server."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from string import ascii_lowercase
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from apo import events, plugins
from apo.backends import Request
from apo.backends.scripted import Scripted
from apo.budget import Budget
from apo.candidate import Candidate, Evaluation, Failure, Usage
from apo.engine import Engine
from apo.evaluation import Evaluator
from apo.foresight import Overheard, Replies
from apo.history import History
from apo.prompt import Prompt, as_text
from apo.resuming import card
from apo.schedulers import Plan
from apo.scorers import Choice
from apo.spec import Identity, ModelSpec, RunSpec, TaskSource
from apo.store.memory import MemoryStore
from apo.surrogates import Posterior
from apo.task import Example, Score, Task

Answer = Callable[[Request], str | Failure]
EASY = 4
"""Of ten rows of the toy task, how many `skilled` answers right without exemplars."""


class FrozenClock:
    """A clock that moves only when told; call it for the time in seconds."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self.now += seconds


def toy_task(rows: int = 60, labels: tuple[str, ...] = ("red", "blue")) -> Task:
    """A closed task whose label follows from the number in the input; a third of `rows` a split."""
    examples = [
        Example(f"row-{number}", f"Which colour has ball {number:04d}?", labels[number % len(labels)])
        for number in range(rows)
    ]
    third = rows // 3
    return Task(
        name="toy",
        description="Name the colour of a numbered ball.",
        seed=Prompt("Name the colour."),
        scorer=Choice(labels),
        train=tuple(examples[:third]),
        dev=tuple(examples[third : 2 * third]),
        test=tuple(examples[2 * third :]),
    )


def toy_spec(**changes: Any) -> RunSpec:
    """A run of the toy task with a budget of 600 calls; `changes` are fields of RunSpec.

    Rungs of successive halving can be worked out by hand.
    """
    spec = RunSpec(
        task=TaskSource("toy"),
        model=ModelSpec("toy-model", "http://127.0.0.1:1/v1"),
        budget=Budget(calls=600),
        scheduler="successive_halving",
        surrogate="average",
    )
    return replace(spec, **changes)


def started(task: Task, spec: RunSpec) -> events.RunStarted:
    """The first event of a run."""
    server = Identity("toy-model", base_url="http://127.0.0.1:1/v1")
    return events.RunStarted(spec=spec, task=card(task), dev=task.dev, server=server, apo="test")


def skilled(task: Task) -> Answer:
    """An answer function for `toy_task`: every second exemplar gets one more row of ten right.

    A request at a temperature above 0 is a proposer's, and gets an instruction in return.
    """
    rows = [*task.train, *task.dev, *task.test]
    assert isinstance(task.scorer, Choice)
    labels = task.scorer.labels

    def answer(request: Request) -> str:
        if request.temperature > 0:
            return f"<INS>Name the colour of the ball, version {request.seed}.</INS>"
        text = as_text(request.rendered)
        there = sorted((text.rindex(row.input), row.input) for row in rows if row.input in text)
        asked = next(row for row in rows if row.input == there[-1][1])
        number = int(asked.id.partition("-")[2])
        hardness = (number // len(labels) * 7) % 10
        right = hardness < EASY + (len(there) - 1) // 2
        return asked.target if right else labels[(number + 1) % len(labels)]

    return answer


def letters(texts: Sequence[str]) -> "NDArray[np.float64]":
    """An encoder without a model: how often each letter stands in a text, of length 1."""
    counts = np.array([[1.0, *(text.lower().count(c) for c in ascii_lowercase)] for text in texts])
    return np.asarray(counts / np.linalg.norm(counts, axis=1, keepdims=True))


def carried_out(plan: Plan, score: Callable[[str, str], float | None]) -> list[events.Event]:
    """What a plan leads to, as the engine journals it: who is dropped, who goes on, and what was answered."""
    facts: list[events.Event] = [events.CandidatePruned(candidate=c, reason=why) for c, why in plan.pruned]
    if plan.promoted:
        facts.append(events.CandidatesPromoted(rows=dict(plan.promoted)))
    if plan.assignments:
        done = tuple(evaluation(c, row, score(c, row)) for c, row in plan.assignments)
        facts.append(events.EvaluationsFinished(evaluations=done))
    return facts


def ignorant(candidates: Sequence[str]) -> Posterior:
    """Believes the same of all candidates."""
    return Posterior(np.full(len(candidates), 0.5), 0.08 * np.eye(len(candidates)))


def run_engine(
    task: Task,
    spec: RunSpec,
    answer: Answer,
    store: MemoryStore | None = None,
    look_ahead: Callable[[Engine], None] = lambda _engine: None,
    replies: Replies | None = None,
) -> tuple[History, MemoryStore, Scripted]:
    """A whole run with scripted models; a `store` that holds records already is continued.

    With `replies` note is taken there of what proposers are answered, and each is a moment to look ahead.
    """
    store = MemoryStore() if store is None else store
    if not store.records:
        store.append(started(task, spec))
    history = History(store.read())
    backend = Scripted(answer)
    engine = Engine(
        task=task,
        history=history,
        store=store,
        alternation=plugins.build("alternations", spec.alternation),
        scheduler=plugins.build("schedulers", spec.scheduler),
        surrogate=plugins.build("surrogates", spec.surrogate),
        evaluator=Evaluator(backend, task.scorer, task.decoding, 8, clock=lambda: 0.0, embed=letters),
        proposal_backend=backend
        if replies is None
        else Overheard(backend, replies, lambda: look_ahead(engine)),
        look_ahead=look_ahead,
    )
    engine.run()
    return history, store, backend


def history_of(*facts: events.Event, clock: Callable[[], float] = lambda: 0.0) -> History:
    """The state after some events, stamped in order."""
    store = MemoryStore(clock=clock)
    for fact in facts:
        store.append(fact)
    return History(store.read())


def folded(history: History) -> dict[str, Any]:
    """All that was folded in, without what is only computed of it: to compare two histories."""
    return {name: value for name, value in vars(history).items() if name != "_standing"}


def proposed(*candidates: Candidate, step: int = 0) -> tuple[events.Event, ...]:
    """The events of a step that begins with these candidates."""
    side = candidates[0].side if candidates else None
    return (
        events.StepStarted(step=step, side=side, component="seed" if side is None else side),
        events.CandidatesProposed(step=step, candidates=candidates),
    )


def evaluation(candidate: str, row: str, value: float | None, **changes: Any) -> Evaluation:
    """One evaluation; a `value` of None is a request that failed."""
    if value is None:
        failure = Failure("timeout", "too slow")
        return msgspec.structs.replace(Evaluation(candidate, row, "", None, Usage(7), failure), **changes)
    score = Score(value, "red" if value else "blue")
    return msgspec.structs.replace(Evaluation(candidate, row, "red", score, Usage(10, 2, 0.5)), **changes)
