"""Ctrl-C: the first one is only noted, the second acts."""

import signal

import pytest

from apo.interrupt import SIGNALS, politely


@pytest.mark.parametrize("number", SIGNALS, ids=["ctrl_c", "kill"])
def test_first_is_noted(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    """A signal does nothing where it arrives; who asks learns of it, and the user is told."""
    with politely() as interrupted:
        before = interrupted()
        signal.raise_signal(number)
        after = interrupted()

    assert (False, True) == (before, after)
    assert "once more stops at once" in capsys.readouterr().err


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
