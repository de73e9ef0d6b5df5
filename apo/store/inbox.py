"""The inbox: commands from people to the process that runs a search; many writers, one reader.

Each command is one write of one line. A line that is torn or no command is skipped: whoever sent it
never sees it acknowledged in the journal.
"""

import os
import secrets
import time
from pathlib import Path

import msgspec

from apo.commands import Order, Sent
from apo.errors import ConfigError

_DECODER = msgspec.json.Decoder(Sent)


def send(path: Path, command: Order) -> Sent:
    """Write a command into a run's inbox.

    Raises:
        ConfigError: the file cannot be written.
    """
    sent = Sent(secrets.token_hex(8), time.time(), command)
    # The line begins with a line end, so that it never continues somebody's torn one.
    line = b"\n" + msgspec.json.encode(sent) + b"\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(f"The inbox {path} cannot be written: {error.strerror}.") from error
    return sent


class Inbox:
    """Reads what has come since it last looked, from the beginning of the file on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def new(self) -> list[Sent]:
        """Whole commands in the order they came; those read before are not repeated."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except OSError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [sent for line in whole.splitlines() if (sent := _read(line)) is not None]


def _read(line: bytes) -> Sent | None:
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
