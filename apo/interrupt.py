"""Ctrl-C twice: the first one lets the rows in flight finish, the second does not."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
TOGETHER = 1.0
"""Seconds in which several SIGTERM are one: the kernel tells a child of each thread of a parent that dies."""


@contextmanager
def politely() -> Iterator[Callable[[], bool]]:
    """Within the block a first signal is only noted: the function that it yields says whether there was one.

    Only for the main thread.

    Raises:
        KeyboardInterrupt: at once, on a second signal.
    """
    asked: list[float] = []
    before = [signal.getsignal(number) for number in SIGNALS]

    def ask(number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if not asked:
            _tell("apo: finishing the rows in flight; once more stops at once.")
        elif number != signal.SIGTERM or now - asked[0] > TOGETHER:
            raise KeyboardInterrupt
        asked.append(now)

    for number in SIGNALS:
        signal.signal(number, ask)
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)


def _tell(what: str) -> None:
    """A line past `sys.stderr`: a signal may come within a write to that, which cannot be entered again."""
    over = "\r\x1b[2K" if os.isatty(2) else ""  # a live line stands there
    with suppress(OSError):
        os.write(2, f"{over}{what}\n".encode())
