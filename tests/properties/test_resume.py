"""Resume: a journal that was cut off anywhere leads, gone on with, to the same run."""

from collections.abc import Sequence
from contextlib import closing
from functools import cache
from itertools import islice, zip_longest
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo import events, plugins
from apo.backends import Request
from apo.backends.scripted import Scripted
from apo.budget import Budget
from apo.candidate import Failure
from apo.commands import Add, Ban, Pause, Promote, Resume, SetBudget, Stop
from apo.events import Record, to_json
from apo.history import History
from apo.prompt import Exemplar, Prompt, as_text
from apo.spec import RunSpec
from apo.store import Store
from apo.store.journal import Journal
from apo.store.memory import MemoryStore
from tests.helpers import Answer, folded, skilled, toy_spec, toy_task
from tests.steered import Script, Steered, heard

TASK = toy_task()
NARROW = 30
"""Words of a prompt that the narrow model takes."""
SMALL = {
    "successive_halving": "successive_halving:least_rows=5",
    "bayesian": "bayesian:surrogate=average,drawn=8,rounds=1,kept=4",
    "greater": "greater:positions=2,rows=2,reasoning=4",
    "segments": "segments:rounds=2,rows=2",
}
"""Components with options that suit so small a search, or are quick."""
SCHEDULERS = [*(SMALL.get(name, name) for name in plugins.names("schedulers")), "triple:kind=sh"]


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


def wordy(request: Request) -> str | Failure:
    """A model whose answers differ in length, by prompt and row."""
    more = " indeed" * (len(as_text(request.rendered)) % 7) if request.temperature == 0 else ""
    return f"{skilled(TASK)(request)}{more}"


ANSWERS: dict[str, Answer] = {
    "well": skilled(TASK),
    "failing": failing,
    "narrow": narrow,
    "wordy": wordy,
}


def spec_of(scheduler: str, component: str) -> RunSpec:
    """A run whose sides are moved by one component besides the layouts, or by the default ones in turns
    of another kind."""
    kind, _, name = component.partition("/")
    chosen: dict[str, object] = {}
    if kind == "exemplars":
        chosen = {"selectors": (name,), "proposers": ()}
    if kind == "proposers":
        chosen = {"selectors": (), "proposers": (name,)}
    if kind == "alternations":
        chosen = {"alternation": name}
    return toy_spec(scheduler=scheduler, budget=Budget(calls=240), **chosen)


KINDS = ("exemplars", "proposers", "alternations")
COMPONENTS = [
    "default",
    *(f"{kind}/{SMALL.get(name, name)}" for kind in KINDS for name in plugins.names(kind)),
]


SCRIPTS: dict[str, Script] = {
    "nobody": (),
    "edits": (
        (5, Add(prompt=Prompt("Name the colour of the ball. \x00\u202e{{input}}"), parent="c0")),
        (9, Ban(candidate="c1")),
        (11, Ban(candidate="c99")),
        (20, Promote(candidate="c4")),
        (20, Add(prompt=Prompt("Say red or blue.", (Exemplar(TASK.dev[0].input, "red"),)))),
        (30, SetBudget(budget=Budget(calls=200))),
    ),
    "pauses": (
        (4, Pause()),
        (4, Resume()),
        (17, Pause()),
        (17, Pause()),
        (17, Promote(candidate="c2")),
        (17, Resume()),
        (40, Resume()),
    ),
    "stop": ((14, Add(prompt=Prompt("Say it."))), (16, Stop())),
    "stopped-while-paused": ((12, Pause()), (14, Stop())),
}
"""What people send, and when; what is refused is a part of it."""


@cache
def answer_of(model: str) -> Answer:
    """The model's answers, each worked out once."""
    kept: dict[tuple[object, ...], str | Failure] = {}

    def answer(request: Request) -> str | Failure:
        key = (request.rendered, request.temperature, request.seed)
        if key not in kept:
            kept[key] = ANSWERS[model](request)
        return kept[key]

    return answer


def go_on(store: Store, spec: RunSpec, model: str, script: Script = ()) -> Scripted:
    """Begin the run in an empty store, or go on with what the store holds; the models asked."""
    run = Steered(TASK, answer_of(model), script, spec, store)
    run.go_on()
    return run.backends[-1]


@cache
def whole(scheduler: str, component: str, model: str, script: str = "nobody") -> tuple[Record, ...]:
    """The run that is not cut off."""
    store = MemoryStore()
    go_on(store, spec_of(scheduler, component), model, SCRIPTS[script])
    return tuple(store.records)


@cache
def content_of(scheduler: str, component: str, model: str, script: str) -> bytes:
    """The journal of the run that is not cut off."""
    return b"".join(to_json(record) + b"\n" for record in whole(scheduler, component, model, script))


def differing(there: Sequence[Record], here: Sequence[Record]) -> list[tuple[Record | None, Record | None]]:
    """The first two records that differ, in a list; nothing if all are the same."""
    pairs = ((a, b) for a, b in zip_longest(there, here) if a != b)
    return list(islice(pairs, 1))


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
        backend = go_on(store, spec_of(scheduler, "default"), model)
        asked = sum(request.temperature == 0 for request in backend.requests)

        assert [] == differing(records, store.records), f"cut after record {cut}"
        assert asked_rows(records) - asked_rows(records[:cut]) == asked, f"cut after record {cut}"


@pytest.mark.parametrize("alternation", plugins.names("alternations"))
def test_alternations_at_every_record(alternation: str) -> None:
    """Cut after any record, every alternation gives the turns that the run not cut off had."""
    component = f"alternations/{alternation}"
    records = whole("full", component, "failing")
    for cut in range(1, len(records) + 1):
        store = MemoryStore(records[:cut])
        go_on(store, spec_of("full", component), "failing")

        assert [] == differing(records, store.records), f"cut after record {cut}"


@pytest.mark.parametrize("name", ["greater", "segments"])
def test_gradients_at_some_records(name: str) -> None:
    """Cut before or after a step's proposals, those who look into weights take the same steps again."""
    component = f"proposers/{SMALL[name]}"
    records = whole("full", component, "well")
    steps = [r.n for r in records if isinstance(r.event, events.CandidatesProposed) and r.event.candidates]
    for cut in (steps[1], steps[1] + 1, steps[-1], steps[-1] + 1):
        store = MemoryStore(records[:cut])
        go_on(store, spec_of("full", component), "well")

        assert [] == differing(records, store.records), f"cut after record {cut}"
    assert len(steps) > 2


def cut_and_resumed(folder: Path, cut: int, scheduler: str, component: str, model: str, name: str) -> bytes:
    """The journal that was cut at a byte, at its end."""
    path = folder / "events.jsonl"
    path.write_bytes(content_of(scheduler, component, model, name)[:cut])
    with closing(Journal(path, clock=lambda: 0.0)) as journal:
        script = heard(whole(scheduler, component, model, name))
        go_on(journal, spec_of(scheduler, component), model, script)
    return path.read_bytes()


def first_difference(there: bytes, here: bytes) -> tuple[int, bytes, bytes] | None:
    """The first line in which two journals differ; comparing them whole in a message takes minutes."""
    lines = zip_longest(there.splitlines(), here.splitlines(), fillvalue=b"")
    return next(((n, a, b) for n, (a, b) in enumerate(lines, 1) if a != b), None)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SCHEDULERS),
    st.sampled_from(COMPONENTS),
    st.sampled_from([*ANSWERS]),
    st.sampled_from([*SCRIPTS]),
    st.data(),
)
def test_any_byte(
    tmp_path_factory: pytest.TempPathFactory,
    scheduler: str,
    component: str,
    model: str,
    script: str,
    data: st.DataObject,
) -> None:
    """Cut at any byte and gone on with, steered or not, the journal ends byte for byte the same."""
    content = content_of(scheduler, component, model, script)
    cut = data.draw(st.integers(0, len(content)))
    folder = tmp_path_factory.mktemp("cut")

    resumed = cut_and_resumed(folder, cut, scheduler, component, model, script)
    assert first_difference(content, resumed) is None


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name != "nobody"])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_steered_at_every_record(scheduler: str, script: str) -> None:
    """Cut after any record, also between a command and its effect, a steered run ends the same."""
    records = whole(scheduler, "default", "well", script)
    for cut in range(1, len(records) + 1):
        store = MemoryStore(records[:cut])
        go_on(store, spec_of(scheduler, "default"), "well", heard(records))

        assert [] == differing(records, store.records), f"cut after record {cut}"


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_scripts_are_heard(scheduler: str, script: str) -> None:
    """The commands of the steered runs are all received, and most of them are applied."""
    facts = [record.event for record in whole(scheduler, "default", "well", script)]
    received = [fact for fact in facts if isinstance(fact, events.CommandReceived)]
    applied = [fact for fact in facts if isinstance(fact, events.CommandApplied)]

    assert len(SCRIPTS[script]) == len(received)
    assert len(applied) >= len(SCRIPTS[script]) / 2


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

        assert folded(History(records[: record.n + 1])) == folded(live)
