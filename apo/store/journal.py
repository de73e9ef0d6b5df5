"""The journal: JSON lines in one file, one writer, a torn last line tolerated."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from apo.errors import ConfigError, RunError
from apo.events import SCHEMA, EvaluationsFinished, Event, Record, from_json, to_json
from apo.history import History


def steady_clock(
    wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
) -> Callable[[], float]:
    """The time of day in seconds since the epoch, immune to changes of the machine's clock from now on."""
    offset = wall() - steady()
    return lambda: steady() + offset


NO_RECORD = "is not a record of this version of apo"
FORCE_EVERY = 1.0
"""Seconds of writing after which what was written is forced to the disk: what a power cut can take."""


class Journal:
    """A store in one file, readable by its owner alone.

    Each record is one line, written whole, so the end of this process takes nothing; the disk is forced to
    hold it every second. Opening for writing drops a last line without line end, the trace of a crash.

    Args:
        path: the file.
        clock: gives records their times, in seconds.
        fold: is shown each record that the file holds already, so that it is read once.

    Raises:
        ConfigError: the file cannot be created or read, or a line in its middle is broken.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] | None = None,
        fold: Callable[[Record], None] = lambda _record: None,
    ) -> None:
        self.path = path
        self._clock = clock or steady_clock()
        self._length, self._forced = 0, -FORCE_EVERY
        try:
            for record in read_records(path) if path.exists() else ():
                fold(record)
                self._length += 1
            whole_lines(path)  # only where all before it is whole: what is broken stays as it is
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigError(f"The journal {path} cannot be written: {error.strerror}.") from error

    def append(self, event: Event) -> Record:
        """Write one more event; force what was written to the disk if that is due.

        Raises:
            RunError: the disk is full or gone; the file still ends with a whole record.
        """
        record = Record(self._length, self._clock(), event)
        size = os.fstat(self._descriptor).st_size
        try:
            _write_all(self._descriptor, to_json(record) + b"\n")
            now = time.monotonic()
            if now - self._forced >= FORCE_EVERY:
                os.fsync(self._descriptor)
                self._forced = now
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise self._unwritable(error) from error
        self._length += 1
        return record

    def read(self, start: int = 0) -> Iterator[Record]:
        """The records from running number `start` on."""
        return (record for record in read_records(self.path) if record.n >= start)

    def close(self) -> None:
        """Force all to the disk and close the file; nothing can be appended any more.

        Raises:
            RunError: the disk is gone.
        """
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            os.close(self._descriptor)

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(
            f"The journal {self.path} cannot be written: {error.strerror}. Make room, then go on with "
            "`apo resume`; what it holds is whole."
        )


def whole_lines(path: Path) -> None:
    """Drop a last line without line end, the trace of a crash; a file that is missing stays so."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65_536)
            file.seek(start)
            line_end = file.read(end - start).rfind(b"\n")
            if line_end >= 0:
                end = start + line_end + 1
                break
            end = start
        if end < size:
            file.truncate(end)


def _write_all(descriptor: int, content: bytes) -> None:
    """Write everything; the operating system may take a part at a time."""
    while content:
        content = content[os.write(descriptor, content) :]


def read_records(path: Path) -> Iterator[Record]:
    """The records of a journal that may still be growing; an unfinished last line is left out.

    Raises:
        ConfigError: missing, of a newer version, or a line, named by its number, is not the next record.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    return
                if number == 1:
                    check_version(path, line)
                try:
                    record = from_json(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    raise _unreadable(path, number, f"{NO_RECORD}: {error}") from error
                if record.n != number - 1:
                    raise _unreadable(path, number, f"is record {record.n}: a line is missing or there twice")
                yield record
    except OSError as error:
        raise ConfigError(f"The journal {path} cannot be read: {error.strerror}.") from error


def fold(history: History, record: Record) -> None:
    """Take in a record of a file, which somebody may have changed.

    Raises:
        ConfigError: it does not fit those before it.
    """
    try:
        if isinstance(record.event, EvaluationsFinished):
            for one in record.event.evaluations:
                history.candidates[one.candidate]  # one that nobody proposed is missed only later
        history.apply(record)
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"Record {record.n} of the journal ({type(record.event).__name__}) does not fit those before it: "
            f"{error!r}. Nothing was changed. Restore the journal from a copy, or start a new run."
        ) from error


class _Begun(msgspec.Struct):
    """What a first record of any version holds."""

    schema: int = SCHEMA


class _First(msgspec.Struct):
    event: _Begun


def check_version(path: Path, line: bytes) -> None:
    """Refuse a journal that another version of apo wrote, whatever else its first line says."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        schema = msgspec.json.decode(line, type=_First).event.schema
        if schema != SCHEMA:
            age = "a newer" if schema > SCHEMA else "an older"
            raise ConfigError(
                f"{path} was written by {age} version of apo (journal version {schema}, this one reads "
                f"{SCHEMA}). Use that version, or start a new run."
            )


def _unreadable(path: Path, number: int, why: str) -> ConfigError:
    return ConfigError(
        f"{path}, line {number} {why}. Nothing was changed. Restore the line from a copy, or start a new run."
    )
