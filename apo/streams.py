"""The standard streams of a command, which may be closed, cut off or full."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from apo.errors import RunError


class _Careless(io.FileIO):
    """A file that takes what cannot be written: nobody reads it."""

    def write(self, content: Any) -> int:
        """As much as can be."""
        try:
            return super().write(content)
        except OSError:
            return len(content)


def secure() -> None:
    """Let no file get the number of a standard stream that is closed, and no lost stderr end a command."""
    for number in range(3):
        with suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    encoding = sys.stderr.encoding if sys.stderr else "utf-8"
    file = io.BufferedWriter(_Careless(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(file, encoding, "backslashreplace", line_buffering=True)


@contextmanager
def flushed() -> Iterator[None]:
    """Within the block and at its end stdout may prove unwritable.

    Raises:
        RunError: it did.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.filename is not None:
            raise
        # What is left in its buffer would be tried again at the end, and fail with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise RunError(
            f"stdout cannot be written: {error.strerror}. What runs were paid for is kept."
        ) from error
