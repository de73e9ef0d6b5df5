"""One run on a machine of the cluster: its folder is brought here, and what it writes is sent home."""

import platform
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from apo.cluster.home import Back, Given, Sent
from apo.files import write_private
from apo.launching import launch
from apo.store.runs import RunFolder

LOOK_EVERY = 0.2
"""Seconds between two looks whether the run has written something, or people have sent something."""
MOST_LOG = 1 << 20
"""Bytes of the model server's log that go home, its last ones."""
NEVER = (0, 0)
"""When a file that is not there was written, and its size."""


class Mirror:
    """A run's folder on this machine, kept the same as the one at home."""

    def __init__(self, folder: RunFolder, home: Any, given: Given) -> None:
        self._folder, self._home, self._attempt = folder, home, given.attempt
        for name, content in given.files.items():
            write_private(folder.path / name, content)
        self._sent = len(given.files.get(folder.journal.name, b""))
        self._commands = len(given.files.get(folder.inbox.name, b""))
        self._seen: dict[Path, tuple[int, int]] = {}

    def exchange(self, *more: Path) -> bool:
        """Send what is new, and these files too, get the commands of people; whether the run is to stop."""
        lines = self._lines()
        files = {path.name: path.read_bytes()[-MOST_LOG:] for path in more if path.exists()}
        for path in (self._folder.best, self._folder.output):
            changed = _changed(path)
            if changed != self._seen.get(path, NEVER):
                self._seen[path] = changed
                files[path.name] = path.read_bytes()
        back = Back(lines, self._sent, files)
        sent: Sent = _get(self._home.take.remote(self._folder.name, self._attempt, back, self._commands))
        self._sent += len(lines)
        self._commands += len(sent.commands)
        if sent.commands:
            with self._folder.inbox.open("ab") as file:
                file.write(sent.commands)
        return sent.stop

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

    When home says stop, or the task is cancelled, the run finishes its rows in flight, and they come home
    too. A run that has not begun then does not.

    Args:
        home: handle of the actor `Home`.
        name: the run's.
    """
    machine = platform.node()
    while (given := _get(home.begin.remote(name, machine))) is None:
        if _get(home.is_stopped.remote()):
            return ""
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
    """Send home what a run writes for as long as it goes on, and ask it once to stop if it is to."""
    asked = False
    while process.poll() is None:
        if mirror.exchange() and not asked:
            asked = True
            process.terminate()
        time.sleep(LOOK_EVERY)


def _changed(path: Path) -> tuple[int, int]:
    """When a file was written, and its size, since clocks of file systems may be slow."""
    if not path.exists():
        return NEVER
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _get(reference: Any) -> Any:
    """What an actor answers; `ray.get` would give the task's CPUs to other tasks for the time of waiting."""
    return reference.future().result()
