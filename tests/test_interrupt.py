"""Ctrl-C: the first one waits for a safe point, the second does not."""

import signal

import pytest

from apo.interrupt import SIGNALS, at_safe_points


@pytest.mark.parametrize("number", SIGNALS, ids=["ctrl_c", "kill"])
def test_first_waits_for_a_safe_point(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    """A signal does nothing where it arrives; the next check raises, and the user is told."""
    with at_safe_points() as check:
        check()
        signal.raise_signal(number)
        arrived_quietly = True
        with pytest.raises(KeyboardInterrupt):
            check()

    assert arrived_quietly
    assert "once more stops at once" in capsys.readouterr().err


def test_second_acts_at_once() -> None:
    """Whoever asks twice does not wait."""
    with at_safe_points():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_handlers_are_given_back() -> None:
    """After the block signals mean what they meant before, also after an interruption."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with at_safe_points() as check:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check()

    assert before == [signal.getsignal(number) for number in SIGNALS]
