"""Starts the process of a run in the background."""

import ctypes
import os
import signal
import subprocess
import sys

from apo.errors import ConfigError
from apo.store.runs import RunFolder

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
"""Opened here: nothing may be loaded between fork and exec of a process with several threads."""


def launch(folder: RunFolder, bound: bool = False) -> subprocess.Popen[bytes]:
    """Begin the run of a folder, or go on with it, in a session of its own.

    What it prints goes to the folder's `output`, readable by the owner alone. If it is `bound`, it is
    asked to finish its rows in flight when this process dies, however that happens.

    Raises:
        ConfigError: the folder cannot be written.
    """
    command = [sys.executable, "-m", "apo", "resume", str(folder.path.absolute())]
    try:
        descriptor = os.open(folder.output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(f"{folder.output} cannot be written: {error.strerror}.") from error
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            preexec_fn=_stop_with_parent if bound else None,
        )
    finally:
        os.close(descriptor)


def _stop_with_parent() -> None:
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
