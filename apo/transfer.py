"""A run's best prompt on other models and tasks: what `apo eval` found, kept beside the run."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from apo.errors import ConfigError
from apo.files import write_private
from apo.statistics import Interval

FILE = "transfers.jsonl"


class Transfer(msgspec.Struct, frozen=True):
    """One evaluation of an exported prompt."""

    candidate: str
    task: str
    split: str
    """`test` or `dev`."""
    model: str
    score: Interval


def keep(found: Transfer, folder: Path) -> None:
    """Add it to a run's folder, for its owner alone; a folder that cannot be written keeps nothing."""
    path = folder / FILE
    with contextlib.suppress(OSError, ConfigError):
        before = path.read_bytes() if path.is_file() else b""
        write_private(path, before + msgspec.json.encode(found) + b"\n")


def read(folder: Path) -> tuple[Transfer, ...]:
    """What a run's folder keeps, the newest of each candidate, task and model; no broken lines."""
    latest: dict[tuple[str, ...], Transfer] = {}
    for found in _lines(folder / FILE):
        latest[found.candidate, found.task, found.split, found.model] = found
    return tuple(latest.values())


def _lines(path: Path) -> Iterable[Transfer]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            yield msgspec.json.decode(line, type=Transfer)
