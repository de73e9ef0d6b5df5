"""Files that only their owner can read, written whole or not at all."""

import tempfile
from pathlib import Path

from apo.errors import ConfigError


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
            # The folder is the owner's alone, and so is the file made in it.
            written = Path(scratch) / path.name
            written.write_bytes(content)
            written.chmod(0o600)
            written.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
