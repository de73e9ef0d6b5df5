"""What a white box found out, kept on disk under what it follows from; a cache that may be lost any time."""

import contextlib
import hashlib
import json
from pathlib import Path

from apo.errors import ConfigError
from apo.files import write_private
from apo.serving.weights import cache_folder


def place(kind: str, *facts: object) -> Path:
    """The file for what follows from these facts, whether or not it is there."""
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
    return cache_folder() / "whitebox" / f"{digest}.{kind}"


def recalled(path: Path) -> bytes | None:
    """What is kept there, or None where nothing can be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def keep(path: Path, content: bytes) -> None:
    """Keep it for the owner alone; where that fails nothing is lost but time."""
    with contextlib.suppress(OSError, ConfigError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, content)
