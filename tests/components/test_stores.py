"""What every store keeps to: what was appended is read, in order; and the journal's file."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo import events
from apo.budget import Budget, Forecast, Spend
from apo.commands import Add, Sent, SetBudget
from apo.errors import ConfigError
from apo.events import Event, Record, to_json
from apo.history import History
from apo.prompt import Prompt
from apo.spec import Identity
from apo.statistics import EMPTY
from apo.store import Store
from apo.store.journal import Journal, read_records
from apo.store.memory import MemoryStore
from tests.components.helpers import records
from tests.helpers import FrozenClock

HOSTILE = 'a\nb\r\n\x00\x1b[31m\u2028\ufeff"\\{é🙂'
FACTS: tuple[Event, ...] = (
    *(record.event for record in records("searched")),
    events.ForecastMade(forecast=Forecast(1, 2, 3, 4.5, 6)),
    events.CandidatesProposed(step=1, candidates=(), discarded=(events.Discard("empty", HOSTILE),)),
    events.CandidatesProposed(step=2, candidates=(), spend=Spend(1, 2, 3)),
    events.ScoringChosen(way="token", reason=HOSTILE, labels=("a", HOSTILE), spend=Spend(1, 2, 3)),
    events.ProblemReported(message=HOSTILE, fatal=True),
    events.TestScored(candidate="c0", score=EMPTY, seed=EMPTY, difference=EMPTY),
    events.RunResumed(server=Identity("m"), apo="1"),
    events.CommandReceived(sent=Sent("a1", 1.5, Add(prompt=Prompt(HOSTILE), note=HOSTILE))),
    events.CommandReceived(sent=Sent("a2", 2.5, SetBudget(budget=Budget(calls=9)))),
    events.CommandApplied(id="a1"),
    events.CommandRefused(id="a2", reason=HOSTILE),
    events.RunPaused(),
    events.RunContinued(),
    events.ServerLost(message=HOSTILE),
    events.ServerBack(),
    events.RunFinished(reason="budget spent", best="c0"),
)
Opening = Callable[[Path, Callable[[], float]], Store]
STORES: dict[str, Opening] = {
    "memory": lambda _path, clock: MemoryStore(clock=clock),
    "journal": lambda path, clock: Journal(path / "events.jsonl", clock),
}


@pytest.fixture(params=[*STORES.values()], ids=[*STORES])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock) -> Iterator[Store]:
    """Each store, empty."""
    opened = request.param(tmp_path, clock)
    yield opened
    if isinstance(opened, Journal):
        opened.close()


def journal(path: Path, count: int = 6) -> bytes:
    """Write a journal of some records; its bytes."""
    with closing(Journal(path, clock=lambda: 1.5)) as written:
        for fact in FACTS[:count]:
            written.append(fact)
    return path.read_bytes()


def test_read_equals_appended(store: Store) -> None:
    """Reading gives the records that appending returned, whatever the event holds."""
    kept = [store.append(fact) for fact in FACTS]

    assert kept == list(store.read())
    assert list(FACTS) == [record.event for record in store.read()]


def test_every_event_kind() -> None:
    """The facts of these tests hold every kind of event."""
    assert set(events.Event.__args__) == {type(fact) for fact in FACTS}


def test_stamps(store: Store, clock: FrozenClock) -> None:
    """Records carry running numbers from 0 and the time of appending."""
    first = store.append(FACTS[0])
    clock.advance(2.5)
    second = store.append(FACTS[1])

    assert [(0, 1_000_000.0), (1, 1_000_002.5)] == [(r.n, r.t) for r in (first, second)]


@pytest.mark.parametrize("start", [0, 1, 5, 6, 99])
def test_read_from_start(store: Store, start: int) -> None:
    """Reading begins at a running number."""
    kept = [store.append(fact) for fact in FACTS[:6]]

    assert kept[start:] == list(store.read(start))


def test_read_while_growing(store: Store) -> None:
    """A new reading sees what was appended since the last."""
    store.append(FACTS[0])
    before = len(list(store.read()))
    store.append(FACTS[1])

    assert [1, 2] == [before, len(list(store.read()))]


def test_empty(store: Store) -> None:
    """A new store holds nothing."""
    assert [] == list(store.read())


def test_journal_reopened(tmp_path: Path) -> None:
    """A journal that is opened again goes on with the next number."""
    path = tmp_path / "events.jsonl"
    journal(path, 3)
    with closing(Journal(path)) as again:
        record = again.append(FACTS[3])

    assert 3 == record.n
    assert [0, 1, 2, 3] == [r.n for r in read_records(path)]


def test_journal_private(tmp_path: Path) -> None:
    """Nobody but the owner can read a journal."""
    path = tmp_path / "events.jsonl"
    journal(path, 1)

    assert 0o600 == path.stat().st_mode & 0o777


def test_journal_one_line_each(tmp_path: Path) -> None:
    """A record is one line of UTF-8, whatever its text."""
    content = journal(tmp_path / "events.jsonl", len(FACTS))

    assert len(FACTS) == content.count(b"\n")
    assert len(FACTS) == len(content.decode().split("\n")) - 1


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_journal_torn(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Of a journal cut at any byte the whole lines are left, and it can be written on."""
    path = tmp_path_factory.mktemp("torn") / "events.jsonl"
    lines = [to_json(Record(n, 1.5, fact)) + b"\n" for n, fact in enumerate(FACTS[:6])]
    whole = b"".join(lines)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    left = whole[:cut].count(b"\n")
    before = len(list(read_records(path)))
    with closing(Journal(path, clock=lambda: 1.5)) as again:
        for fact in FACTS[left:6]:
            again.append(fact)

    assert left == before
    assert whole == path.read_bytes()


def test_journal_broken_middle(tmp_path: Path) -> None:
    """A whole line that is no record is refused by its number."""
    path = tmp_path / "events.jsonl"
    lines = journal(path).splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"n":1,\n' + b"".join(lines[2:]))

    with pytest.raises(ConfigError, match="line 2 is not a record"):
        History(read_records(path))


def test_journal_missing(tmp_path: Path) -> None:
    """A journal that is not there cannot be read, and says so."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        list(read_records(tmp_path / "events.jsonl"))


def test_journal_unwritable(tmp_path: Path) -> None:
    """A journal in a folder that is a file cannot be written, and says so."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(ConfigError, match="cannot be written"):
        Journal(tmp_path / "file" / "events.jsonl")
