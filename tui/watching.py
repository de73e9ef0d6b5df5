"""Looks at a run's folder from a thread and hands what it finds to a screen; touches no widget."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from threading import Event

from textual.message import Message

from apo.store.runs import RunFolder
from tui.logs import last_lines
from tui.tail import Batch, Tail
from tui.watched import Facts

POLL, LOOK = 0.1, 1.0
"""Seconds between two looks at the journal, and at the rest of the folder."""
LOG_LINES = 10
Child = Callable[[], Popen[bytes] | None]


class Found(Message):
    """New events or facts. The thread waits until `taken` is set, so that it is never far ahead."""

    def __init__(self, batch: Batch | None = None, facts: Facts | None = None) -> None:
        super().__init__()
        self.batch, self.facts = batch, facts
        self.taken = Event()


def watch(
    folder: RunFolder,
    child: Child,
    post: Callable[[Found], object],
    stopped: Callable[[], bool],
) -> None:
    """Follow a run until told to stop. `child` gives its process if this one started it."""
    tail = Tail(folder.journal)
    for facts in _facts(folder, child):
        batch = tail.read()
        news = batch.records or batch.again or batch.trouble or facts is not None
        if news:
            found = Found(batch, facts)
            post(found)
            while not found.taken.wait(POLL):
                if stopped():
                    return
        if stopped():
            return
        if not batch.behind:
            time.sleep(POLL)


def _facts(folder: RunFolder, child: Child) -> Iterator[Facts | None]:
    """Facts once in LOOK seconds if they changed, and None in between."""
    known, looked = None, float("-inf")
    while True:
        new = None
        if time.monotonic() - looked >= LOOK:
            looked = time.monotonic()
            new = look(folder, child())
        yield new if new != known else None
        known = new or known


def look(folder: RunFolder, child: Popen[bytes] | None = None) -> Facts:
    """What the folder tells beside the journal."""
    if not folder.path.is_dir():
        return Facts(there=False)
    begun = child is not None and child.poll() is None
    output = last_lines(folder.output, 1)
    log = last_lines(folder.engine_log, LOG_LINES) or last_lines(folder.output, LOG_LINES)
    return Facts(
        live=begun or folder.is_live(),
        output=output[-1] if output else "",
        log=tuple(log),
        writer=writer(folder.path / "lock"),
    )


def writer(lock: Path) -> int | None:
    """Process id of who holds a lock file, as Linux tells; None where it does not."""
    try:
        inode = str(lock.stat().st_ino)
        for entry in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            fields = entry.split()
            if "FLOCK" in fields and fields[5].rpartition(":")[2] == inode:
                return int(fields[4])
    except (OSError, IndexError, ValueError):
        return None
    return None
