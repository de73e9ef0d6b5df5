"""The journal: JSON lines in one file, one writer, a torn last line tolerated."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from apo.errors import ConfigError
from apo.events import Event, Record, from_json, to_json


class Journal:
    """A store in one file, readable by its owner alone.

    Each record is one line, written whole and forced to the disk. Opening for writing drops a last
    line without line end, the trace of a crash.

    Raises:
        ConfigError: the file cannot be created or read, or a line in its middle is broken.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        try:
            self._drop_torn_tail()
            self._length = sum(1 for _ in read_records(path)) if path.exists() else 0
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigError(f"The journal {path} cannot be written: {error.strerror}.") from error
        self._file = os.fdopen(descriptor, "ab")

    def append(self, event: Event) -> Record:
        """Write one more event and flush it to the disk."""
        record = Record(self._length, self._clock(), event)
        self._file.write(to_json(record) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._length += 1
        return record

    def read(self, start: int = 0) -> Iterator[Record]:
        """The records from running number `start` on."""
        return (record for record in read_records(self.path) if record.n >= start)

    def close(self) -> None:
        """Close the file; nothing can be appended any more."""
        self._file.close()

    def _drop_torn_tail(self) -> None:
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with self.path.open("r+b") as file:
                file.truncate(whole)


def read_records(path: Path) -> Iterator[Record]:
    """The records of a journal that may still be growing; an unfinished last line is left out.

    Raises:
        ConfigError: missing, or a whole line is not a record (named by its number).
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield from_json(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise ConfigError(
                        f"{path}, line {number} is not a record of this version of apo: {error}. "
                        "Restore the file, or start a new run."
                    ) from error
    except OSError as error:
        raise ConfigError(f"The journal {path} cannot be read: {error.strerror}.") from error
