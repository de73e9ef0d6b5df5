"""Reads a journal while it grows, is torn, replaced or deleted; never fails, says what is wrong instead."""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apo.errors import ConfigError
from apo.events import Record, from_json
from apo.store.journal import check_version

BATCH_BYTES = 512 * 1024
"""About how much is read at once, so that folding it takes a screen a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one look at the journal gave."""

    records: tuple[Record, ...] = ()
    again: bool = False
    """The file is another one or was cut: these records begin anew."""
    behind: bool = False
    """There is more to read at once."""
    trouble: str = ""
    """Why reading stopped; empty while all is well. What is before the trouble stays readable."""


class Tail:
    """The records of one journal from its beginning on; `read` gives those that are new."""

    def __init__(self, path: Path, batch_bytes: int = BATCH_BYTES) -> None:
        self.path = path
        self._batch_bytes = batch_bytes
        self._file = (0, 0)
        self._offset = 0
        self._lines = 0
        self._trouble = ""

    def read(self) -> Batch:
        """The whole records since the last call, about `batch_bytes` of them at most."""
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                again = self._begin_anew((status.st_dev, status.st_ino), status.st_size)
                if self._trouble:
                    return Batch(again=again, trouble=self._trouble)
                file.seek(self._offset)
                content = file.read(self._batch_bytes)
                while content and b"\n" not in content and (more := file.read(len(content))):
                    content += more
        except FileNotFoundError:
            return Batch()
        except OSError as error:
            return Batch(trouble=f"The journal cannot be read: {error.strerror}.")
        whole = content[: content.rfind(b"\n") + 1]
        records = self._records(whole)
        behind = bool(whole) and self._offset < status.st_size and len(content) >= self._batch_bytes
        return Batch(tuple(records), again, behind and not self._trouble, self._trouble)

    def _begin_anew(self, file: tuple[int, int], size: int) -> bool:
        """Whether the file is not the one that was read so far; then it is read from its beginning."""
        if file == self._file and size >= self._offset:
            return False
        known, self._file = self._file, file
        self._offset = self._lines = 0
        self._trouble = ""
        return known != (0, 0)

    def _records(self, whole: bytes) -> list[Record]:
        records: list[Record] = []
        for line in whole.splitlines(keepends=True):
            try:
                if self._lines == 0:
                    check_version(self.path, line)
                records.append(from_json(line))
            except ConfigError as error:
                self._trouble = str(error)
                break
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self._trouble = f"Line {self._lines + 1} of the journal is not a record: {error}."
                break
            self._lines += 1
            self._offset += len(line)
        return records
