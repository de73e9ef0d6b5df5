"""Run folders: `results/<date>-<task>-<nn>/` with the journal, the engine's log and the best prompt."""

import fcntl
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from apo.errors import ConfigError, unknown
from apo.history import History
from apo.store.journal import read_records

JOURNAL = "events.jsonl"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def name(self) -> str:
        """The run's name, unique in its results folder."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """The events, one a line."""
        return self.path / JOURNAL

    @property
    def best(self) -> Path:
        """The exported best prompt."""
        return self.path / "best.json"

    @property
    def engine_log(self) -> Path:
        """What the model server wrote while this run used it."""
        return self.path / "engine.log"

    def history(self) -> History:
        """The state of the run, folded from its journal."""
        return History(read_records(self.journal))

    def is_live(self) -> bool:
        """Whether a process holds the run's lock."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def lock(self) -> int:
        """Become the run's one writer, until this process ends or closes the descriptor.

        Raises:
            ConfigError: another process is.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise ConfigError(
                f"The run {self.name} is already being written by another process. "
                "Wait for it, or start a new run."
            ) from error
        return descriptor


def check_writable(results: Path) -> None:
    """Refuse a results folder that cannot be written, before anything is spent.

    Raises:
        ConfigError: it cannot be made, or nothing can be made in it.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=results, prefix=".writable-"):
            pass
    except OSError as error:
        raise ConfigError(
            f"The results folder {str(results)!r} cannot be written: {error.strerror}. "
            "Choose another with --results."
        ) from error


def create(results: Path, task: str) -> RunFolder:
    """A new, empty run folder, readable by its owner alone.

    Raises:
        ConfigError: the results folder cannot be written.
    """
    day = datetime.now(tz=UTC).astimezone().strftime("%Y-%m-%d")
    stem = f"{day}-{re.sub(r'[^A-Za-z0-9_.]+', '-', task).strip('-.') or 'run'}"
    check_writable(results)
    for number in range(1, 10_000):
        path = results / f"{stem}-{number:02d}"
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return RunFolder(path)
    raise ConfigError(f"{results} holds too many runs named {stem}. Choose another with --results.")


def find(results: Path, name: str) -> RunFolder:
    """A run by name, by the path of its folder, or `last` for the newest.

    Raises:
        ConfigError: no such run; lists those that exist.
    """
    if (Path(name) / JOURNAL).is_file():
        return RunFolder(Path(name))
    runs = list_runs(results)
    if name == "last" and runs:
        return runs[0]
    for run in runs:
        if run.name == name:
            return run
    raise unknown(f"run in {str(results)!r} named", name, [run.name for run in runs])


def list_runs(results: Path) -> list[RunFolder]:
    """All runs of a results folder, the newest first."""
    found = [path for path in results.glob(f"*/{JOURNAL}") if path.is_file()]
    found.sort(key=lambda path: (path.stat().st_mtime, path.parent.name), reverse=True)
    return [RunFolder(path.parent) for path in found]
