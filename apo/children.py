"""Runs as processes of their own, some at a time: one that fails, or dies, leaves the others alone."""

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

from apo.launching import launch
from apo.store.runs import RunFolder

LOOK_EVERY = 0.2
"""Seconds between two looks whether another process has let go of a run."""


class Children:
    """Goes on with runs, each by `apo resume` in a process of its own.

    What a process prints goes into its run's `apo.log`. A child is asked to stop when this process dies.
    """

    def __init__(self, parallel: int) -> None:
        self._parallel = parallel
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._guard = threading.Lock()
        self._stopping = False

    def run(
        self, folders: Iterable[RunFolder], tell: Callable[[str], None]
    ) -> Iterator[tuple[RunFolder, str]]:
        """Go on with all runs; each is yielded when it has ended, with why it failed or nothing.

        Raises:
            KeyboardInterrupt: every child was asked to finish its rows in flight, and has ended.
        """
        with ThreadPoolExecutor(self._parallel) as pool:
            waiting = {pool.submit(self._one, folder, tell): folder for folder in folders}
            try:
                for done in as_completed(waiting):
                    yield waiting[done], done.result()
            except BaseException:
                self._stop()
                raise

    def _one(self, folder: RunFolder, tell: Callable[[str], None]) -> str:
        while folder.is_live() and not self._stopping:
            time.sleep(LOOK_EVERY)  # a child of a batch that was killed finishes its rows in flight
        with self._guard:
            if self._stopping:
                return ""
            tell(f"{folder.name}: begins")
            process = launch(folder, bound=True)
            self._processes.add(process)
        code = process.wait()
        with self._guard:
            self._processes.discard(process)
        if code == 0:
            return ""
        said = folder.output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return said[-1].removeprefix("apo: ") if said else f"it ended with code {code}"

    def _stop(self) -> None:
        """Ask every child to finish its rows in flight."""
        with self._guard:
            self._stopping = True
            for process in self._processes:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
