"""Run folders: `results/<date>-<task>-<nn>/` with the journal, the engine's log and the best prompt."""

import contextlib
import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from apo.errors import ConfigError, unknown
from apo.events import Record
from apo.files import write_private
from apo.history import History
from apo.spec import RunSpec
from apo.store.journal import fold, read_records

JOURNAL, SPEC = "events.jsonl", "spec.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")
"""What a run may be called."""
LAST = "last"
"""Stands for the newest run."""


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
    def specification(self) -> Path:
        """What was asked for."""
        return self.path / SPEC

    @property
    def best(self) -> Path:
        """The exported best prompt."""
        return self.path / "best.json"

    @property
    def engine_log(self) -> Path:
        """What the model server wrote while this run used it."""
        return self.path / "engine.log"

    @property
    def output(self) -> Path:
        """What the run's process printed, if it was started in the background."""
        return self.path / "apo.log"

    @property
    def inbox(self) -> Path:
        """Commands from people to the run."""
        return self.path / "inbox.jsonl"

    def exists(self) -> bool:
        """Whether the folder holds a run, begun or not."""
        return self.journal.is_file() or (self.path / SPEC).is_file()

    def spec(self) -> RunSpec:
        """What was asked for.

        Raises:
            ConfigError: the folder holds no whole specification, so it is no run.
        """
        path = self.path / SPEC
        try:
            return msgspec.json.decode(path.read_bytes(), type=RunSpec)
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}. The folder holds no run.") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigError(
                f"{path} is no whole run specification of this version of apo: {error}. Start a new run."
            ) from error

    def write_spec(self, spec: RunSpec) -> None:
        """Write what is asked for, whole or not at all, readable by the owner alone."""
        write_private(self.path / SPEC, msgspec.json.format(msgspec.json.encode(spec)) + b"\n")

    def move(self, spec: RunSpec) -> None:
        """Reach the models of the same run as `spec` does from now on: elsewhere, or by another engine.

        A process that is at it already goes on as it began.
        """
        if msgspec.json.encode(self.spec()) != msgspec.json.encode(spec) and not self.is_live():
            self.write_spec(spec)

    def discard_unbegun(self) -> None:
        """Remove the files of a run that has not begun, and the folder if it holds nothing else."""
        if self.journal.exists() or self.is_live():
            return
        with contextlib.suppress(OSError):
            for path in (self.path / SPEC, self.path / "lock", self.inbox, self.engine_log):
                path.unlink(missing_ok=True)
            self.path.rmdir()

    def history(self) -> History:
        """The state of the run, folded from its journal; empty where it has not begun.

        Raises:
            ConfigError: the journal cannot be read, or does not fit together.
        """
        history = History()
        for record in self.records():
            fold(history, record)
        return history

    def records(self) -> Iterable[Record]:
        """The events of the run so far; none where it has not begun."""
        if not self.journal.exists() and (self.path / SPEC).is_file():
            return ()
        return read_records(self.journal)

    def is_stopped(self, history: History) -> bool:
        """Whether the run has not ended and no process goes on with it."""
        return history.finished is None and not self.is_live()

    def is_live(self) -> bool:
        """Whether a process holds the run's lock."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR)
        except OSError:
            return False
        try:
            # A shared lock, so that those who only look do not take each other for the writer.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the run's one writer for the length of the block, or until this process dies.

        Raises:
            ConfigError: another process is, or the folder cannot be written.
        """
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigError(f"The run {self.name} cannot be written: {error.strerror}.") from error
        try:
            self._take(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        """Take the lock, past those who hold it for a moment to see whether somebody does."""
        for tries_left in range(4, -1, -1):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if not tries_left:
                    raise ConfigError(
                        f"The run {self.name} is already being written by another process. "
                        "Wait for it, watch it, or start a new run."
                    ) from error
                time.sleep(0.05)


def check_writable(results: Path) -> None:
    """Refuse a results folder that cannot be written, before anything is spent.

    Raises:
        ConfigError: it cannot be made, or nothing can be made in it.
    """
    try:
        results.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=results, prefix=".writable-"):
            pass
    except OSError as error:
        raise ConfigError(
            f"The results folder {str(results)!r} cannot be written: {error.strerror}. "
            "Choose another with --results."
        ) from error


def create(results: Path, task: str, spec: RunSpec) -> RunFolder:
    """A new run folder that holds its specification, readable by its owner alone.

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
        folder = RunFolder(path)
        folder.write_spec(spec)
        return folder
    raise ConfigError(f"{results} holds too many runs named {stem}. Choose another with --results.")


def named(results: Path, name: str, spec: RunSpec) -> RunFolder:
    """The run folder of that name; a new one holds the specification.

    Raises:
        ConfigError: the name cannot be a folder's, or the results folder cannot be written.
    """
    if name == LAST:
        raise ConfigError(f"{LAST!r} cannot be a run's name: it stands for the newest run.")
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be a run's name: letters, digits and . _ + - only, 100 at most, the first a "
            "letter or digit."
        )
    check_writable(results)
    folder = RunFolder(results / name)
    try:
        folder.path.mkdir(mode=0o700, exist_ok=True)
        fresh = all(path.name.startswith(".") for path in folder.path.iterdir())
    except OSError as error:
        raise ConfigError(f"The run {name} cannot be written: {error.strerror}.") from error
    if fresh:
        folder.write_spec(spec)
    elif not folder.exists():
        raise ConfigError(f"{folder.path} holds other files and no run. Give the run another name.")
    return folder


def unfinished(results: Path, spec: RunSpec) -> RunFolder | None:
    """The newest run with that specification that nobody writes and that has not ended; None without one."""
    for folder in list_runs(results):
        try:
            same = folder.spec() == spec and not folder.is_live()
            if same and (not folder.journal.exists() or folder.history().finished is None):
                return folder
        except ConfigError:
            continue
    return None


def find(results: Path, name: str) -> RunFolder:
    """A run by name, by the path of its folder, or `last` for the newest.

    Raises:
        ConfigError: no such run; lists those that exist.
    """
    if RunFolder(Path(name)).exists():
        return RunFolder(Path(name))
    runs = list_runs(results)
    if name == LAST and runs:
        return runs[0]
    for run in runs:
        if run.name == name:
            return run
    raise unknown(f"run in {str(results)!r} named", name, [run.name for run in runs])


def list_runs(results: Path) -> list[RunFolder]:
    """All runs of a results folder, the newest first."""
    found = [path for path in results.glob("*/") if RunFolder(path).exists()]
    return [RunFolder(path) for path in sorted(found, key=_age)]


def _age(path: Path) -> tuple[float, str]:
    """Smaller for newer runs."""
    newest = path / JOURNAL if (path / JOURNAL).is_file() else path / SPEC
    try:
        return (-newest.stat().st_mtime, path.name)
    except OSError:  # it was deleted just now
        return (0.0, path.name)
