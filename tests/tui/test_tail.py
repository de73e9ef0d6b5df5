"""Reading a journal that grows, is torn, replaced, deleted or broken."""

from pathlib import Path

import pytest

from apo.events import Record, to_json
from tests.tui.staging import whole
from tui.tail import Tail

LINES = [to_json(record) + b"\n" for record in whole()]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Where the journal will be."""
    return tmp_path / "events.jsonl"


def everything(tail: Tail) -> list[Record]:
    """All that can be read now."""
    found: list[Record] = []
    behind = True
    while behind:
        batch = tail.read()
        found += batch.records
        behind = batch.behind
    return found


@pytest.mark.parametrize("size", [1, 100, 5000, 10**6])
def test_batches(journal: Path, size: int) -> None:
    """Whatever the size of a batch, all records come once and in order."""
    journal.write_bytes(b"".join(LINES))

    assert list(whole()) == everything(Tail(journal, size))


def test_grows_in_pieces(journal: Path) -> None:
    """A line that is written in pieces counts once it is whole."""
    tail = Tail(journal)
    found: list[Record] = []
    assert () == tail.read().records
    with journal.open("ab", buffering=0) as file:
        for line in LINES[:20]:
            for piece in (line[:7], line[7:]):
                file.write(piece)
                found += tail.read().records

    assert list(whole()[:20]) == found


def test_torn_tail(journal: Path) -> None:
    """A torn last line is waited for, and read once a resumed run has written it anew."""
    journal.write_bytes(b"".join(LINES[:5]) + LINES[5][:30])
    tail = Tail(journal)
    assert 5 == len(everything(tail))
    journal.write_bytes(b"".join(LINES[:7]))

    assert list(whole()[5:7]) == everything(tail)


def test_deleted(journal: Path) -> None:
    """A journal that is gone gives nothing, and no error."""
    journal.write_bytes(LINES[0])
    tail = Tail(journal)
    tail.read()
    journal.unlink()

    assert ((), "") == (tail.read().records, tail.read().trouble)


@pytest.mark.parametrize("shorter", [True, False])
def test_replaced(journal: Path, shorter: bool) -> None:
    """Another file in its place, or a shorter one, is read from its beginning."""
    journal.write_bytes(b"".join(LINES[:10]))
    tail = Tail(journal)
    tail.read()
    if shorter:
        journal.write_bytes(b"".join(LINES[:4]))
    else:
        other = journal.with_name("other")
        other.write_bytes(b"".join(LINES[:12]))
        other.replace(journal)
    batch = tail.read()

    assert (True, 4 if shorter else 12) == (batch.again, len(batch.records))


@pytest.mark.parametrize("bad", [b"nonsense\n", b"{}\n", b"\xff\xfe\n", b"\x00" * 50 + b"\n"], ids=repr)
def test_unreadable_line(journal: Path, bad: bytes) -> None:
    """What is before it stays, and it is named by its number."""
    journal.write_bytes(b"".join(LINES[:3]) + bad + LINES[3])
    tail = Tail(journal)
    batch = tail.read()

    assert 3 == len(batch.records)
    assert "Line 4 " in batch.trouble
    assert batch.trouble == tail.read().trouble


def test_other_version(journal: Path) -> None:
    """A journal of another version of apo is refused in words."""
    journal.write_bytes(LINES[0].replace(b'"schema":', b'"schema":9'))

    assert "version of apo" in Tail(journal).read().trouble


def test_is_a_folder(journal: Path) -> None:
    """Something else in its place is told."""
    journal.mkdir()

    assert "cannot be read" in Tail(journal).read().trouble
