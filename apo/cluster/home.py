"""The runs' folders at home, in an actor on the driver's machine: it gives runs out and keeps what comes."""

import os
import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from apo.errors import RunError
from apo.files import write_private
from apo.store.journal import whole_lines
from apo.store.runs import RunFolder


@dataclass(frozen=True, slots=True)
class Given:
    """A run as whoever goes on with it gets it."""

    attempt: str
    """Tells this attempt from those before, whose machines were lost."""
    files: Mapping[str, bytes]
    """The folder's files by name: specification, journal, commands, what was printed."""


@dataclass(frozen=True, slots=True)
class Back:
    """What came to be on another machine."""

    lines: bytes
    """Whole lines of the journal."""
    start: int
    """Where in the journal they begin, bytes."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Other files of the folder that have changed, by name, each as a whole."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What is for a run that is away."""

    commands: bytes = b""
    """What people have sent."""
    stop: bool = False
    """Whether its process is to finish its rows in flight and end, as after Ctrl-C."""


class Home:
    """Holds the lock of each run that is away, so that nobody else goes on with it.

    Only the newest attempt at a run may write: a machine that was given up and still lives is refused. What
    is held here can be lost too: Ray starts the actor again, and calls that were not answered are repeated,
    which does no harm; then the first to write for a run is taken for its newest attempt.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = {name: RunFolder(path) for name, path in folders.items()}
        self._attempts: dict[str, str] = {}
        self._locks: dict[str, ExitStack] = {}
        self._news: list[str] = []
        self._stopped = False

    def begin(self, name: str, machine: str) -> Given | None:
        """Give a run out; None while another process writes it, and when all are to stop.

        Raises:
            ConfigError: the folder cannot be written, or its journal is broken.
        """
        folder = self._folders[name]
        if self._stopped or (name not in self._locks and folder.is_live()):
            return None
        self._lock(name)
        self._attempts[name] = secrets.token_hex(8)
        self._news.append(f"{name}: {'goes on' if folder.journal.exists() else 'begins'}, on {machine}")
        whole_lines(folder.journal)
        paths = (folder.specification, folder.journal, folder.inbox, folder.output)
        return Given(self._attempts[name], {path.name: path.read_bytes() for path in paths if path.exists()})

    def _lock(self, name: str) -> None:
        if name not in self._locks:
            with ExitStack() as lock:
                lock.enter_context(self._folders[name].locked())
                self._locks[name] = lock.pop_all()

    def take(self, name: str, attempt: str, back: Back, commands: int) -> Sent:
        """Keep what came back; gives what is for the run, of commands those after the first `commands` bytes.

        Lines that are here already are not written again.

        Raises:
            RunError: a newer attempt goes on with the run, lines are missing, or the disk is full.
            ConfigError: another file cannot be written.
        """
        folder = self._folders[name]
        if attempt != self._attempts.setdefault(name, attempt):
            raise RunError(f"The run {name} was given to another machine meanwhile.")
        self._lock(name)
        _append(folder.journal, back)
        for file, content in back.files.items():
            write_private(folder.path / file, content)
        sent = folder.inbox.read_bytes()[commands:] if folder.inbox.exists() else b""
        return Sent(sent, self._stopped)

    def stop(self) -> list[str]:
        """Let runs finish their rows in flight and end, and none begin; the names of those that had begun."""
        self._stopped = True
        return list(self._attempts)

    def is_stopped(self) -> bool:
        """Whether all are to end."""
        return self._stopped

    def end(self, name: str, attempt: str) -> None:
        """Nobody goes on with the run any more."""
        if attempt == self._attempts.get(name) and name in self._locks:
            self._locks.pop(name).close()

    def news(self) -> list[str]:
        """What has begun since the last question, a line each."""
        news, self._news = self._news, []
        return news


def _append(path: Path, back: Back) -> None:
    if not back.lines:
        return
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            size = file.seek(0, os.SEEK_END)
            if back.start > size:
                raise RunError(f"{path} has {size} bytes, but what came back begins at {back.start}.")
            file.write(back.lines[size - back.start :])
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RunError(f"The journal {path} cannot be written: {error.strerror}.") from error
