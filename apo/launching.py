"""Starts the process of a run in the background; it goes on when whoever started it ends."""

import os
import subprocess
import sys

from apo.errors import ConfigError
from apo.store.runs import RunFolder


def launch(folder: RunFolder) -> subprocess.Popen[bytes]:
    """Begin the run of a folder, or go on with it, in a session of its own.

    What it prints goes to the folder's `output`, readable by the owner alone.

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
            command, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=descriptor, start_new_session=True
        )
    finally:
        os.close(descriptor)
