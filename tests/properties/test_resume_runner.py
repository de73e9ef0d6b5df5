"""Resume through the runner: a folder whose journal was cut anywhere becomes the same run."""

from collections.abc import Iterable
from functools import cache
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo import events, words
from apo.backends.scripted import Scripted
from apo.budget import Budget
from apo.candidate import Evaluation
from apo.commands import Add, Ban, Order, Promote, SetBudget
from apo.connection import Link
from apo.errors import ConfigError
from apo.events import Event, Record, to_json
from apo.history import History
from apo.prompt import Exemplar, Prompt
from apo.runner import Models, go_on
from apo.spec import Identity
from apo.store.inbox import send
from apo.store.journal import read_records
from apo.store.runs import RunFolder, create
from tests.helpers import skilled, toy_spec, toy_task

TASK = toy_task()
ANSWER = skilled(TASK)
SPEC = toy_spec(budget=Budget(calls=240), cache=False)
SERVER = Identity("toy-model", base_url="http://127.0.0.1:1/v1")
EDITS: tuple[Order, ...] = (
    Add(prompt=Prompt("Name it.\n\x00\x1b", (Exemplar(TASK.dev[3].input, "red"),))),
    Ban(candidate="c1"),
    Promote(candidate="c99"),
    SetBudget(budget=Budget(calls=230)),
)


def models() -> tuple[Models, Scripted]:
    """The models of a run, and the backend behind both."""
    backend = Scripted(ANSWER)
    link = Link(backend, SERVER)
    return Models(link, link), backend


def resume(folder: RunFolder) -> Scripted:
    """Begin or go on with the run of a folder, as `apo run` and `apo resume` do."""
    ready, backend = models()
    with folder.locked():
        go_on(folder, TASK, ready)
    return backend


def facts(records: Iterable[Record]) -> list[Event | Evaluation]:
    """A run's events without those that only going on with it leaves, and without those that tell the time.

    Evaluations stand alone: a slow machine may cut them into other chunks.
    """
    found: list[Event | Evaluation] = []
    for fact in (record.event for record in records):
        if isinstance(fact, events.EvaluationsFinished):
            found += fact.evaluations
        elif not isinstance(fact, events.RunResumed | events.ForecastMade):
            found.append(fact)
    return found


@cache
def whole(edited: bool) -> tuple[tuple[Record, ...], bytes, bytes]:
    """Records, inbox and best prompt of the run that is not cut off; its commands come before it begins."""
    with TemporaryDirectory() as place:
        folder = create(Path(place), "toy", SPEC)
        for order in EDITS if edited else ():
            send(folder.inbox, order)
        resume(folder)
        inbox = folder.inbox.read_bytes() if edited else b""
        return tuple(read_records(folder.journal)), inbox, without_name(folder)


def without_name(folder: RunFolder) -> bytes:
    """The exported prompt, but for what tells the time and the run's name."""
    lines = folder.best.read_bytes().splitlines()
    return b"\n".join(line for line in lines if not any(word in line for word in VOLATILE))


VOLATILE = (b"second", b"-toy-", b"time", b"created")


def cuts(content: bytes) -> st.SearchStrategy[int]:
    """Any byte of a journal, also before its first record is whole."""
    return st.integers(0, content.rfind(b"\n", 0, -1))


@settings(max_examples=40)
@given(edited=st.booleans(), data=st.data())
def test_any_byte(edited: bool, data: st.DataObject) -> None:
    """Cut at any byte and gone on with, a run has the same events and prompt, and asks nothing again."""
    records, inbox, best = whole(edited)
    content = b"".join(to_json(record) + b"\n" for record in records)
    cut = data.draw(cuts(content))
    with TemporaryDirectory() as place:
        folder = create(Path(place), "toy", SPEC)
        folder.journal.write_bytes(content[:cut])
        folder.inbox.write_bytes(inbox)
        kept = History(read_records(folder.journal)).total.calls
        backend = resume(folder)
        resumed = list(read_records(folder.journal))
        asked = [request for request in backend.requests if request.temperature == 0]

        goes_on = any(isinstance(record.event, events.RunResumed) for record in resumed)
        assert goes_on == (cut > content.find(b"\n"))
        assert [] == [(a, b) for a, b in zip_longest(facts(records), facts(resumed)) if a != b][:1]
        assert best == without_name(folder)
        assert len(asked) <= History(records).total.calls - kept


def test_commands_were_heard() -> None:
    """The commands of the edited run took effect or were refused."""
    there = [record.event for record in whole(True)[0]]

    assert len(EDITS) == sum(isinstance(fact, events.CommandReceived) for fact in there)
    assert 2 <= sum(isinstance(fact, events.CommandApplied) for fact in there)


@pytest.mark.parametrize("end", [events.RunPaused(), events.ServerLost(message="gone\x1b")])
def test_left_waiting(tmp_path: Path, end: Event) -> None:
    """A run that was killed while paused, or while its server was lost, goes on at once."""
    records = whole(False)[0]
    middle = len(records) // 2
    folder = create(tmp_path, "toy", SPEC)
    lines = [*records[:middle], Record(middle, records[middle].t, end)]
    folder.journal.write_bytes(b"".join(to_json(record) + b"\n" for record in lines))
    resume(folder)
    history = folder.history()

    assert ("finished", False, "") == (words.state(history), history.paused, history.lost)
    assert History(records).finished == history.finished


def test_finished_run_is_not_gone_on_with(tmp_path: Path) -> None:
    """A run that has ended is refused, and its journal stays as it is."""
    folder = create(tmp_path, "toy", SPEC)
    resume(folder)
    before = folder.journal.read_bytes()

    with pytest.raises(ConfigError, match=r"has finished \(.*\); start a new one"):
        resume(folder)
    assert before == folder.journal.read_bytes()
