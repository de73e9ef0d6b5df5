"""How users of a server are counted: each holds a shared lock on one file.

The operating system drops a process's locks when it ends, however it ends, so a server whose users
were all killed is known to be unused without anybody saying so.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Be a user of the server for the length of the block; waits while it is being stopped."""
    with _opened(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Be the only process in the block; waits for the others."""
    with _opened(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def if_unused(path: Path) -> Iterator[bool]:
    """Whether nobody holds the lease; if so, nobody can take it for the length of the block."""
    with _opened(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            unused = False
        else:
            unused = True
        yield unused


def held(path: Path) -> bool:
    """Whether somebody holds it, alone or with others."""
    with if_unused(path) as unused:
        return not unused


def in_use(path: Path) -> bool:
    """Whether somebody uses the server; not while it is being stopped."""
    if not held(path):
        return False
    # Users share the lock, and whoever stops the server has it alone.
    with _opened(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor of the file, readable by its owner alone; closing it gives its locks back."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
