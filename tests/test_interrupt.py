"""Ctrl-C: the first one is only noted, the second acts."""

import io
import signal
import sys
from typing import Any

import pytest

from apo.interrupt import SIGNALS, politely


@pytest.mark.parametrize("number", SIGNALS, ids=["ctrl_c", "kill"])
def test_first_is_noted(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    """A signal does nothing where it arrives; who asks learns of it, and the user is told."""
    with politely() as interrupted:
        before = interrupted()
        signal.raise_signal(number)
        after = interrupted()

    assert (False, True) == (before, after)
    assert "once more stops at once" in capfd.readouterr().err


def test_second_acts_at_once() -> None:
    """Whoever asks twice does not wait."""
    with politely():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_handlers_are_given_back() -> None:
    """After the block signals mean what they meant before, also after an interruption."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with politely():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    assert before == [signal.getsignal(number) for number in SIGNALS]


def test_terminated_by_several_at_once() -> None:
    """Several SIGTERM at once are one: the kernel sends one for each thread of a parent that dies."""
    with politely() as asked:
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)

        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


class _Interrupted(io.RawIOBase):
    """Something to write to, in the middle of which Ctrl-C is pressed."""

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        signal.raise_signal(signal.SIGINT)
        return len(content)


def test_within_a_write_to_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that is being written cannot be written by the handler as well: that would be an error."""
    stream = io.TextIOWrapper(io.BufferedWriter(_Interrupted()), "utf-8", line_buffering=True)
    with monkeypatch.context() as patched, politely() as asked:
        patched.setattr(sys, "stderr", stream)
        print("a line of progress", file=sys.stderr)
        stream.detach().detach()

        assert asked()
