"""Ctrl-C at a safe point: the first one waits until what was answered is written, the second does not."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def at_safe_points() -> Iterator[Callable[[], None]]:
    """Within the block, an interruption is raised where the function that it yields is called.

    A second one is raised at once. Only for the main thread.

    Raises:
        KeyboardInterrupt: by the yielded function, once there was a signal.
    """
    asked: list[int] = []
    before = [signal.getsignal(number) for number in SIGNALS]

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        for each in SIGNALS:
            signal.signal(each, signal.default_int_handler)
        print("apo: stopping after the next answers; once more stops at once.", file=sys.stderr)

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    for number in SIGNALS:
        signal.signal(number, ask)
    try:
        yield check
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)
