"""The journal in trouble: other versions, broken lines, a full disk, clocks that jump."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from apo import events
from apo.errors import ConfigError
from apo.events import SCHEMA
from apo.history import History
from apo.spec import Identity
from apo.store.journal import Journal, read_records, steady_clock
from apo.store.memory import MemoryStore
from apo.task import Task
from tests.helpers import FrozenClock, skilled, started, toy_spec, toy_task
from tests.steered import Steered
from tests.test_journal import FACTS, written

FILL = """
import resource, sys
from pathlib import Path
from apo.errors import ApoError
from apo.store.journal import Journal
from tests.helpers import skilled, toy_task
from tests.steered import Steered
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
task = toy_task()
journal = Journal(Path(sys.argv[1]), clock=lambda: 0.0)
try:
    Steered(task, skilled(task), store=journal).go_on()
except ApoError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def begun(path: Path, **changes: object) -> bytes:
    """A journal whose first event has these fields."""
    written(path, started(toy_task(), toy_spec()), *FACTS)
    first, *others = path.read_bytes().splitlines(keepends=True)
    record = msgspec.json.decode(first)
    record["event"].update(changes)
    path.write_bytes(msgspec.json.encode(record) + b"\n" + b"".join(others))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("schema", "age"), [(SCHEMA + 1, "a newer"), (10**6, "a newer"), (SCHEMA - 1, "an older")]
)
@pytest.mark.parametrize("more", [{}, {"spec": 5, "type": "Unheard"}], ids=["readable", "unreadable"])
@pytest.mark.parametrize("tail", [b"", b'{"n":4,"t":'], ids=["whole", "torn"])
def test_other_version(tmp_path: Path, schema: int, age: str, more: dict[str, object], tail: bytes) -> None:
    """The journal of another version is refused with both versions, and left as it is, its tail too."""
    path = tmp_path / "j"
    content = begun(path, schema=schema, **more) + tail
    path.write_bytes(content)
    told = f"{age} version of apo .journal version {schema}, this one reads {SCHEMA}.*start a new run"

    with pytest.raises(ConfigError, match=told):
        list(read_records(path))
    with pytest.raises(ConfigError, match=told):
        Journal(path)
    assert content == path.read_bytes()


@pytest.mark.parametrize(
    "damage", [b"{}", b"garbage\x00\xff", b'{"z":' + b"[" * 100_000], ids=["empty", "bytes", "deep"]
)
@pytest.mark.parametrize("tail", [b"", b'{"n":4,"t":'], ids=["whole", "torn"])
def test_broken_middle_is_left_alone(tmp_path: Path, damage: bytes, tail: bytes) -> None:
    """A journal that is broken in its middle is not touched, so that it can be repaired by hand."""
    path = tmp_path / "j"
    lines = written(path, *FACTS).splitlines(keepends=True)
    content = b"".join([lines[0], damage + b"\n", *lines[2:], tail])
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=r"line 2 is not a record.*Nothing was changed. Restore the line"):
        Journal(path)
    assert content == path.read_bytes()


@pytest.mark.parametrize("limit", [9_000, 12_345, 20_001])
def test_full_disk(tmp_path: Path, toy_task: Task, limit: int) -> None:
    """A disk that fills up ends the run with one message; the journal is whole, and the run can go on."""
    path = tmp_path / "events.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(path), str(limit)], capture_output=True, text=True, timeout=120
    )
    kept = path.read_bytes()

    assert (1, "") == (done.returncode, done.stderr)
    assert f"The journal {path} cannot be written: File too large. Make room" in done.stdout
    assert 1 == done.stdout.count("\n")
    assert limit / 2 < len(kept) <= limit
    assert kept.endswith(b"\n")
    check_goes_on(path, toy_task, kept)


def check_goes_on(path: Path, task: Task, kept: bytes) -> None:
    """Gone on with, a cut journal ends as that of a run that was not cut."""
    with closing(Journal(path, clock=lambda: 0.0)) as journal:
        Steered(task, skilled(task), store=journal).go_on()
    whole = MemoryStore()
    Steered(task, skilled(task), store=whole).go_on()
    there = [record.event for record in read_records(path)]
    told = [fact for fact in there if isinstance(fact, events.ProblemReported)]

    assert path.read_bytes().startswith(kept)
    assert [record.event for record in whole.records] == [fact for fact in there if fact not in told]
    assert all("File too large" in fact.message for fact in told)


def test_clock_that_jumps() -> None:
    """While a process lives, its journal's times follow the steady clock, whatever the machine's does."""
    wall, steady = FrozenClock(1_000_000.0), FrozenClock(50.0)
    clock = steady_clock(wall, steady)
    times = [clock()]
    for jump in (3600.0, -7200.0, 1e9, -2e9):
        wall.advance(jump)
        steady.advance(1.5)
        times.append(clock())

    assert [1_000_000.0, 1_000_001.5, 1_000_003.0, 1_000_004.5, 1_000_006.0] == times


@pytest.mark.parametrize("jump", [-1e9, -3600.0, 0.0, 3600.0, 1e9])
def test_clock_between_two_processes(toy_task: Task, jump: float) -> None:
    """A clock that was set while nobody ran the run does not change how long it took."""
    clock = FrozenClock()
    store = MemoryStore(clock=clock)
    for fact in (started(toy_task, toy_spec()), events.RunResumed(server=Identity("m")), FACTS[0]):
        clock.advance(jump if isinstance(fact, events.RunResumed) else 2.0)
        store.append(fact)

    assert 2.0 == History(store.read()).seconds


def test_clock_that_went_back(toy_task: Task) -> None:
    """Records whose times go back add no time, and take none away."""
    clock = FrozenClock()
    store = MemoryStore(clock=clock)
    store.append(started(toy_task, toy_spec()))
    for step in (5.0, -100.0, 3.0):
        clock.advance(step)
        store.append(FACTS[1])

    assert 8.0 == History(store.read()).seconds
