"""Leases: a server is used as long as a process holds one, however that process ends."""

import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from apo.serving.lease import alone, hold, if_unused, in_use

HOLD = """
import sys, time
from pathlib import Path
from apo.serving.lease import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def user(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease until it is killed."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def unused(path: Path) -> bool:
    """Whether nobody holds the lease."""
    with if_unused(path) as free:
        return free


def test_unused(tmp_path: Path) -> None:
    """Nobody holds a lease that was never taken; its file is its owner's alone."""
    assert unused(tmp_path / "lease")
    assert stat.S_IMODE((tmp_path / "lease").stat().st_mode) == 0o600


def test_hold(tmp_path: Path) -> None:
    """A lease is held for the length of the block."""
    path = tmp_path / "lease"
    with hold(path):
        inside = unused(path)

    assert (False, True) == (inside, unused(path))


def test_in_use(tmp_path: Path) -> None:
    """By users; whoever stops the server, and so has the lease alone, is none."""
    path = tmp_path / "lease"
    before = in_use(path)
    with hold(path):
        held = in_use(path)
    with alone(path):
        stopping = in_use(path)

    assert (False, True, False) == (before, held, stopping)


def test_hold_shared(tmp_path: Path) -> None:
    """Several users hold a lease together; it is free when the last one leaves."""
    path = tmp_path / "lease"
    with hold(path):
        with hold(path):
            pass
        one_left = unused(path)

    assert (False, True) == (one_left, unused(path))


def test_given_back_after_error(tmp_path: Path) -> None:
    """An error in the block gives the lease back."""
    path = tmp_path / "lease"
    with pytest.raises(RuntimeError, match="inside"), hold(path):
        raise RuntimeError("inside")

    assert unused(path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_killed(tmp_path: Path, number: signal.Signals) -> None:
    """A process that is killed gives its lease back."""
    path = tmp_path / "lease"
    with user(path) as process:
        before = unused(path)
        process.send_signal(number)
        process.wait(timeout=60)

    assert (False, True) == (before, unused(path))


def test_survivor_keeps(tmp_path: Path) -> None:
    """While one of two users is killed, the other's lease stays."""
    path = tmp_path / "lease"
    with user(path) as first, user(path):
        first.kill()
        first.wait(timeout=60)

        assert not unused(path)
    assert unused(path)


@pytest.mark.parametrize("block", [hold, alone], ids=["hold", "alone"])
def test_alone(tmp_path: Path, block: Callable[[Path], AbstractContextManager[None]]) -> None:
    """While one process is alone, users and others wait until it has left."""
    path = tmp_path / "lease"
    entered = threading.Event()

    def enter() -> None:
        with block(path):
            entered.set()

    waiting = threading.Thread(target=enter, daemon=True)
    with alone(path):
        waiting.start()
        early = entered.wait(0.2)
    late = entered.wait(10)
    waiting.join(10)

    assert (False, True) == (early, late)


def test_nobody_joins_meanwhile(tmp_path: Path) -> None:
    """While a lease is found unused, nobody else can find it so, too."""
    path = tmp_path / "lease"
    with if_unused(path) as first, if_unused(path) as second:
        found = (first, second)

    assert (True, False) == found
