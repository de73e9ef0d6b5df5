"""One run on a machine of the cluster: its folder is brought here, and what it writes is sent home."""

import platform
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from apo.cluster.home import Back, Given
from apo.files import write_private
from apo.launching import launch
from apo.store.runs import RunFolder

LOOK_EVERY = 0.2
"""Seconds between two looks whether the run has written something, or people have sent something."""
MOST_LOG = 1 << 20
"""Bytes of the model server's log that go home, its last ones."""


class Mirror:
    """A run's folder on this machine, kept the same as the one at home."""

    def __init__(self, folder: RunFolder, home: Any, given: Given) -> None:
        self._folder, self._home, self._attempt = folder, home, given.attempt
        for name, content in given.files.items():
            write_private(folder.path / name, content)
        self._sent = len(given.files.get(folder.journal.name, b""))
        self._commands = len(given.files.get(folder.inbox.name, b""))
        self._seen: dict[Path, int] = {}

    def exchange(self, *more: Path) -> None:
        """Send what is new, and these files too; get the commands that people have sent meanwhile."""
        lines = self._lines()
        files = {path.name: path.read_bytes()[-MOST_LOG:] for path in more if path.exists()}
        for path in (self._folder.best, self._folder.output):
            changed = path.stat().st_mtime_ns if path.exists() else 0
            if changed != self._seen.get(path, 0):
                self._seen[path] = changed
                files[path.name] = path.read_bytes()
        back = Back(lines, self._sent, files)
        commands = _get(self._home.take.remote(self._folder.name, self._attempt, back, self._commands))
        self._sent += len(lines)
        self._commands += len(commands)
        if commands:
            with self._folder.inbox.open("ab") as file:
                file.write(commands)

    def _lines(self) -> bytes:
        """Whole lines that the journal has and home has not."""
        if not self._folder.journal.exists():
            return b""
        with self._folder.journal.open("rb") as file:
            file.seek(self._sent)
            content = file.read()
        return content[: content.rfind(b"\n") + 1]

    def close(self) -> None:
        """Let home know that nobody goes on here."""
        _get(self._home.end.remote(self._folder.name, self._attempt))


def go_on(home: Any, name: str) -> str:
    """Go on with a run by `apo resume` in a process of its own; why it failed, or nothing.

    When the task is cancelled the run finishes its rows in flight, and they come home too.

    Args:
        home: handle of the actor `Home`.
        name: the run's.
    """
    machine = platform.node()
    while (given := _get(home.begin.remote(name, machine))) is None:
        time.sleep(LOOK_EVERY)
    with tempfile.TemporaryDirectory(prefix="apo-") as scratch:
        folder = RunFolder(Path(scratch) / name)
        folder.path.mkdir(mode=0o700)
        mirror = Mirror(folder, home, given)
        try:
            with launch(folder, bound=True) as process:
                try:
                    _follow(process, mirror)
                finally:
                    process.terminate()
                    _follow(process, mirror)
        finally:
            mirror.exchange(folder.engine_log)
            mirror.close()
        said = folder.output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if process.returncode == 0:
        return ""
    why = said[-1].removeprefix("apo: ") if said else f"it ended with code {process.returncode}"
    return f"{why} (on {machine})"


def _follow(process: subprocess.Popen[bytes], mirror: Mirror) -> None:
    """Send home what a run writes for as long as it goes on."""
    while process.poll() is None:
        mirror.exchange()
        time.sleep(LOOK_EVERY)


def _get(reference: Any) -> Any:
    """What an actor answers; `ray.get` would give the task's CPUs to other tasks for the time of waiting."""
    return reference.future().result()
