"""The journal: what was written is read, and a crash costs at most the last line."""

import stat
from pathlib import Path

import pytest

from apo import events
from apo.errors import ConfigError
from apo.events import Record
from apo.store.journal import Journal, read_records
from apo.task import Task
from tests.helpers import FrozenClock, started, toy_spec

FACTS: tuple[events.Event, ...] = (
    events.StepStarted(step=0, side=None, component="seed"),
    events.ProblemReported(message="line\nend \N{ROCKET} \x00"),
    events.StepFinished(step=0, gain=0.0, calls=3),
)
NEXT = events.RunFinished(reason="done", best="c0")


def written(path: Path, *facts: events.Event) -> bytes:
    """The content of a journal of these events."""
    journal = Journal(path, FrozenClock())
    for fact in facts:
        journal.append(fact)
    journal.close()
    return path.read_bytes()


def test_round_trip(tmp_path: Path, toy_task: Task) -> None:
    """Records are read as they were returned by append, numbered and timed."""
    clock = FrozenClock(5.0)
    journal = Journal(tmp_path / "j", clock)
    kept = []
    for fact in (started(toy_task, toy_spec()), *FACTS):
        kept.append(journal.append(fact))
        clock.advance(1.5)
    journal.close()

    assert kept == list(read_records(tmp_path / "j"))
    assert [(0, 5.0), (1, 6.5), (2, 8.0), (3, 9.5)] == [(record.n, record.t) for record in kept]


def test_read_start(tmp_path: Path) -> None:
    """Reading can begin at any record."""
    written(tmp_path / "j", *FACTS)
    journal = Journal(tmp_path / "j")
    found = [record.event for record in journal.read(1)]
    journal.close()

    assert list(FACTS[1:]) == found


def test_one_line_each(tmp_path: Path) -> None:
    """A record is one line, whatever line ends its texts hold."""
    content = written(tmp_path / "j", *FACTS)

    assert len(FACTS) == content.count(b"\n")
    assert content.endswith(b"\n")


def test_written_at_once(tmp_path: Path) -> None:
    """An event is in the file as soon as append returns."""
    journal = Journal(tmp_path / "j")
    journal.append(FACTS[0])
    found = [record.event for record in read_records(tmp_path / "j")]
    journal.close()

    assert [FACTS[0]] == found


def test_reopened(tmp_path: Path) -> None:
    """A journal that is opened again goes on counting."""
    written(tmp_path / "j", *FACTS)
    written(tmp_path / "j", NEXT)

    assert [0, 1, 2, 3] == [record.n for record in read_records(tmp_path / "j")]


def test_shown_what_is_there(tmp_path: Path) -> None:
    """Opening shows each whole record once, in order."""
    written(tmp_path / "j", *FACTS)
    seen: list[Record] = []
    Journal(tmp_path / "j", fold=seen.append).close()

    assert seen == list(read_records(tmp_path / "j"))
    assert [*FACTS] == [record.event for record in seen]


def test_torn_anywhere(tmp_path: Path) -> None:
    """Cut at any byte, a journal keeps its whole lines and can be continued."""
    content = written(tmp_path / "j", *FACTS)
    path = tmp_path / "torn"
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        whole = content[:cut].count(b"\n")
        before = [record.event for record in read_records(path)]
        written(path, NEXT)
        after = list(read_records(path))

        assert list(FACTS[:whole]) == before
        assert [*FACTS[:whole], NEXT] == [record.event for record in after]
        assert list(range(whole + 1)) == [record.n for record in after]


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("damage", [b"{}", b"", b"\xff\xfe", b"\x00\x00"], ids=ascii)
def test_broken_line(tmp_path: Path, number: int, damage: bytes) -> None:
    """A whole line that is no record is named by its number, for readers and writers."""
    lines = written(tmp_path / "j", *FACTS).split(b"\n")
    lines[number - 1] = damage
    (tmp_path / "j").write_bytes(b"\n".join(lines))

    with pytest.raises(ConfigError, match=f"j, line {number} is not a record"):
        list(read_records(tmp_path / "j"))
    with pytest.raises(ConfigError, match=f"line {number} "):
        Journal(tmp_path / "j")


def test_before_broken_line(tmp_path: Path) -> None:
    """The records before a broken line are still read."""
    content = written(tmp_path / "j", *FACTS)
    (tmp_path / "j").write_bytes(content + b"broken\n")
    records = read_records(tmp_path / "j")

    assert list(FACTS) == [next(records).event for _ in FACTS]
    with pytest.raises(ConfigError, match="line 4"):
        next(records)


def test_owner_only(tmp_path: Path) -> None:
    """Nobody but its owner can read a journal: it holds the task's data."""
    written(tmp_path / "j", *FACTS)

    assert stat.S_IMODE((tmp_path / "j").stat().st_mode) == 0o600


def test_growing(tmp_path: Path) -> None:
    """A reader of a growing file sees a line once it is whole."""
    content = written(tmp_path / "j", *FACTS)
    first, second, _ = content.splitlines(keepends=True)
    path = tmp_path / "growing"
    seen = []
    for upto in (0, len(first) - 1, len(first), len(first) + 9, len(first) + len(second), len(content)):
        path.write_bytes(content[:upto])
        seen.append(len(list(read_records(path))))

    assert [0, 0, 1, 1, 2, 3] == seen


def test_empty(tmp_path: Path) -> None:
    """An empty file is a journal without records."""
    (tmp_path / "j").touch()

    assert list(read_records(tmp_path / "j")) == []


def test_missing(tmp_path: Path) -> None:
    """A journal that is not there cannot be read."""
    with pytest.raises(ConfigError, match=r"journal .* cannot be read: No such file"):
        list(read_records(tmp_path / "none"))


@pytest.mark.parametrize("place", ["none/j", "folder"], ids=["no-folder", "is-folder"])
def test_not_writable(tmp_path: Path, place: str) -> None:
    """A place that cannot be written is an error of the request."""
    (tmp_path / "folder").mkdir()

    with pytest.raises(ConfigError, match=r"journal .* cannot be (written|read)"):
        Journal(tmp_path / place)
