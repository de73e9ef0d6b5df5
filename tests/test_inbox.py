"""The inbox: whole commands come through in order, whoever writes; everything else is skipped."""

import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo.commands import Add, Ban, Pause, Stop
from apo.errors import ConfigError
from apo.prompt import Prompt
from apo.store.inbox import Inbox, send

WHOLE = b'{"id":"a","t":1.0,"command":{"type":"Pause"}}\n'
GARBAGE = [
    b"\n",
    b"garbage\n",
    b"\x00\xff\xfe\n",
    b"{}\n",
    b"[]\n",
    b"null\n",
    b'{"id":"a","t":1.0}\n',
    b'{"id":"a","t":1.0,"command":{"type":"Explode"}}\n',
    b'{"id":"a","t":1.0,"command":{"type":"Ban"}}\n',
    b'{"id":5,"t":1.0,"command":{"type":"Pause"}}\n',
    b'{"id":"a","t":1.0,"command":{"type":"Ban","candidate":"\\ud800"}}\n',
    b'{"id":"a","t":1.0,"command":{"type":"Ban","candidate":"\xff"}}\n',
    WHOLE[:-4] + b"\n",
    b'{"z":' + b"[" * 100_000 + b"]" * 100_000 + b"," + WHOLE[1:],
]


def ids(inbox: Inbox) -> list[str]:
    """The ids of the new commands."""
    return [sent.id for sent in inbox.new()]


def test_in_order_and_once(tmp_path: Path) -> None:
    """Commands come in the order they were sent, with what they hold; none comes twice."""
    path = tmp_path / "inbox"
    inbox = Inbox(path)
    before = inbox.new()
    first = [send(path, Pause()), send(path, Add(prompt=Prompt("a\nb\u2028\x00")))]
    seen = inbox.new()
    second = send(path, Stop(now=True))

    assert ([], first, [second], []) == (before, seen, inbox.new(), inbox.new())
    assert [*first, second] == Inbox(path).new()


def test_ids_differ(tmp_path: Path) -> None:
    """Two commands that say the same are two commands."""
    assert send(tmp_path / "inbox", Pause()).id != send(tmp_path / "inbox", Pause()).id


@pytest.mark.parametrize("line", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_skipped(tmp_path: Path, line: bytes) -> None:
    """A line that is no command is skipped; those around it come through."""
    path = tmp_path / "inbox"
    before = send(path, Pause())
    with path.open("ab") as file:
        file.write(line)
    after = send(path, Ban(candidate="c1"))

    assert [before, after] == Inbox(path).new()


def test_torn_line_waits(tmp_path: Path) -> None:
    """A line without its end is not read before it is whole."""
    path = tmp_path / "inbox"
    inbox, seen = Inbox(path), []
    for cut in range(1, len(WHOLE) + 1):
        path.write_bytes(WHOLE[:cut])
        seen.append(ids(inbox))

    assert [[]] * (len(WHOLE) - 1) + [["a"]] == seen


def test_torn_line_spoils_no_other(tmp_path: Path) -> None:
    """What a writer that died left half written does not swallow the next command."""
    path = tmp_path / "inbox"
    path.write_bytes(WHOLE[:20])
    sent = send(path, Pause())

    assert [sent] == Inbox(path).new()


@settings(max_examples=50)
@given(
    content=st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([WHOLE, *GARBAGE[:-1]])), max_size=8)
)
def test_any_content(tmp_path_factory: pytest.TempPathFactory, content: list[bytes]) -> None:
    """Whatever stands in the file, reading it never fails, and a command sent after it arrives."""
    path = tmp_path_factory.mktemp("inbox") / "inbox"
    path.write_bytes(b"".join(content))
    inbox = Inbox(path)
    inbox.new()
    sent = send(path, Pause())

    assert sent == inbox.new()[-1]


def test_many_writers(tmp_path: Path) -> None:
    """Commands that several people send at once all arrive, each whole and once."""
    path, sent = tmp_path / "inbox", []

    def write() -> None:
        for _ in range(25):
            sent.append(send(path, Add(prompt=Prompt("x" * 5000))).id)

    writers = [threading.Thread(target=write) for _ in range(8)]
    inbox, seen = Inbox(path), []
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen += ids(inbox)
    seen += ids(inbox)

    assert 200 == len(seen)
    assert sorted(sent) == sorted(seen)


def test_owner_only(tmp_path: Path) -> None:
    """Nobody but its owner can read what people sent."""
    send(tmp_path / "inbox", Pause())

    assert stat.S_IMODE((tmp_path / "inbox").stat().st_mode) == 0o600


def test_not_writable(tmp_path: Path) -> None:
    """An inbox that cannot be written is named; one that is not there is empty."""
    with pytest.raises(ConfigError, match=r"The inbox .*/none/inbox cannot be written: No such file"):
        send(tmp_path / "none" / "inbox", Pause())
    assert Inbox(tmp_path / "none" / "inbox").new() == []
