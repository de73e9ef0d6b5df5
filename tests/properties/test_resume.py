"""Resume: a journal that was cut off anywhere leads, gone on with, to the same run."""

from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo import events, plugins
from apo.backends import Request
from apo.backends.scripted import Scripted, as_text
from apo.budget import Budget
from apo.candidate import Failure
from apo.engine import Engine
from apo.evaluation import Evaluator
from apo.events import Record, to_json
from apo.history import History
from apo.spec import RunSpec
from apo.store import Store
from apo.store.journal import Journal
from apo.store.memory import MemoryStore
from tests.helpers import Answer, skilled, started, toy_spec, toy_task

TASK = toy_task()
NARROW = 30
"""Words of a prompt that the narrow model takes."""
SMALL_RUNGS = {"successive_halving": "successive_halving:least_rows=5"}
SCHEDULERS = [SMALL_RUNGS.get(name, name) for name in plugins.names("schedulers")]


def failing(request: Request) -> str | Failure:
    """A model that fails on some rows and for some proposals, the same ones whenever asked."""
    text = as_text(request.rendered)
    if request.temperature > 0:
        return Failure("timeout", "slow") if (request.seed or 0) % 3 == 0 else skilled(TASK)(request)
    return Failure("timeout", "slow") if len(text) % 7 == 0 else skilled(TASK)(request)


def narrow(request: Request) -> str | Failure:
    """A model whose context holds no more than three exemplars."""
    words = len(as_text(request.rendered).split())
    too_long = request.temperature == 0 and words > NARROW
    return Failure("context", "too long") if too_long else skilled(TASK)(request)


ANSWERS: dict[str, Answer] = {"well": skilled(TASK), "failing": failing, "narrow": narrow}


def spec_of(scheduler: str, component: str) -> RunSpec:
    """A run whose sides are moved by one component besides the layouts, or by the default ones."""
    kind, _, name = component.partition("/")
    chosen: dict[str, object] = {}
    if kind == "exemplars":
        chosen = {"selectors": (name,), "proposers": ()}
    if kind == "proposers":
        chosen = {"selectors": (), "proposers": (name,)}
    return toy_spec(scheduler=scheduler, budget=Budget(calls=240), **chosen)


COMPONENTS = [
    "default",
    *(f"{kind}/{name}" for kind in ("exemplars", "proposers") for name in plugins.names(kind)),
]


def go_on(store: Store, spec: RunSpec, answer: Answer) -> Scripted:
    """Begin the run in an empty store, or go on with what the store holds; the models asked."""
    if not list(store.read()):
        store.append(started(TASK, spec))
    backend = Scripted(answer)
    Engine(
        task=TASK,
        history=History(store.read()),
        store=store,
        scheduler=plugins.build("schedulers", spec.scheduler),
        evaluator=Evaluator(backend, TASK.scorer, TASK.decoding, chunk_rows=8, clock=lambda: 0.0),
        proposal_backend=backend,
    ).run()
    return backend


@cache
def whole(scheduler: str, component: str, model: str) -> tuple[Record, ...]:
    """The run that is not cut off."""
    store = MemoryStore()
    go_on(store, spec_of(scheduler, component), ANSWERS[model])
    return tuple(store.records)


def asked_rows(records: tuple[Record, ...] | list[Record]) -> int:
    """Evaluations that some records hold."""
    chunks = [r.event.evaluations for r in records if isinstance(r.event, events.EvaluationsFinished)]
    return sum(map(len, chunks))


@pytest.mark.parametrize("model", ANSWERS)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_record_boundary(scheduler: str, model: str) -> None:
    """Cut after any record, the run ends with the same events, and no row is asked twice."""
    records = whole(scheduler, "default", model)
    for cut in range(1, len(records) + 1):
        store = MemoryStore(records[:cut])
        backend = go_on(store, spec_of(scheduler, "default"), ANSWERS[model])
        asked = sum(request.temperature == 0 for request in backend.requests)

        assert list(records) == store.records, f"cut after record {cut}"
        assert asked_rows(records) - asked_rows(records[:cut]) == asked, f"cut after record {cut}"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SCHEDULERS), st.sampled_from(COMPONENTS), st.sampled_from([*ANSWERS]), st.data())
def test_any_byte(
    tmp_path_factory: pytest.TempPathFactory,
    scheduler: str,
    component: str,
    model: str,
    data: st.DataObject,
) -> None:
    """Cut at any byte and gone on with, the journal ends byte for byte the same."""
    records = whole(scheduler, component, model)
    content = b"".join(to_json(record) + b"\n" for record in records)
    path: Path = tmp_path_factory.mktemp("cut") / "events.jsonl"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with closing(Journal(path, clock=lambda: 0.0)) as journal:
        go_on(journal, spec_of(scheduler, component), ANSWERS[model])

    assert content == path.read_bytes()


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_runs_end(scheduler: str, component: str) -> None:
    """The runs that are cut here come to their end and do more than the seed."""
    records = whole(scheduler, component, "well")

    assert isinstance(records[-1].event, events.RunFinished)
    assert len(History(records).steps) > 2


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_history_is_a_fold(scheduler: str) -> None:
    """The state of a live run equals the one folded from its journal, at every record."""
    records = whole(scheduler, "default", "failing")
    live = History()
    for record in records:
        live.apply(record)

        assert History(records[: record.n + 1]).facts() == live.facts()
