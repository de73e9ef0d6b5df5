"""Commands in processes of their own, in a folder with its own cache, against a fake server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apo.store.runs import RunFolder, list_runs
from tests.components.helpers import FakeServer, fake_server
from tests.test_cli import APO
from tests.test_cli_run import even

Done = subprocess.CompletedProcess[str]
Process = subprocess.Popen[str]
ROWS = 12
"""Of each split of the task of these runs."""
CALLS = 100
PARITY = """
from apo.prompt import Prompt
from apo.scorers import Exact
from apo.task import Example, Task

def load():
    rows = [Example(f"n{{n}}", f"Number {{n}}?", "odd" if n % 2 else "even") for n in range(3 * {rows})]
    splits = rows[:{rows}], rows[{rows}:2 * {rows}], rows[2 * {rows}:]
    return Task("parity", "Even or odd.", Prompt("Even or odd?"), Exact(), *map(tuple, splits))
"""
"""A task file that is quick to load; a model that always says `even` is right on every second row."""


SEVERAL = """
import json, os, sys, tempfile
import apo.runner, apo.steering, apo.rescoring, apo.progress, apo.batch
from apo.cli import main

def call(line):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.argv = ["apo", *line]
            main()
            sys.exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
        return code, *texts

done = [call(line) for line in json.load(sys.stdin)]
print(json.dumps(done))
"""
"""Calls many lines, each in a process of its own, forked where the program is loaded already."""


@dataclass(frozen=True)
class Place:
    """A folder with a task where apo is called, and where its runs lie."""

    path: Path
    results: Path
    more: dict[str, str] = field(default_factory=dict)
    """Added to the environment."""

    @classmethod
    def at(cls, path: Path, rows: int = ROWS) -> "Place":
        """A new one with the parity task."""
        (path / "parity.py").write_text(PARITY.format(rows=rows), encoding="utf-8")
        return cls(path, path / "results")

    @property
    def environment(self) -> dict[str, str]:
        """Of the commands that are called here."""
        return {**os.environ, "XDG_CACHE_HOME": str(self.path / "cache"), "COLUMNS": "200"} | self.more

    def start(self, *line: str, prepare: Callable[[], None] | None = None) -> Process:
        """Start `apo` and leave it alone; `prepare` is called in the child before it becomes apo."""
        return subprocess.Popen(
            [APO, *line],
            cwd=self.path,
            env=self.environment,
            stdout=-1,
            stderr=-1,
            text=True,
            preexec_fn=prepare,
        )

    def apo(self, *line: str, prepare: Callable[[], None] | None = None) -> Done:
        """Run `apo` to its end."""
        return ended(self.start(*line, prepare=prepare))

    def several(self, lines: Iterable[Sequence[str]]) -> list[Done]:
        """Run `apo` once for each line, one after the other, to their ends."""
        called = list(lines)
        done = subprocess.run(
            [sys.executable, "-c", SEVERAL],
            input=json.dumps(called),
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        found = zip(called, json.loads(done.stdout), strict=True)
        return [subprocess.CompletedProcess(line, *result) for line, result in found]

    def on_runs(self, command: str, *line: str, prepare: Callable[[], None] | None = None) -> Done:
        """Run a command that takes --results to its end."""
        return self.apo(command, *line, "--results", str(self.results), prepare=prepare)

    def line(self, server: FakeServer | str, *more: str) -> list[str]:
        """`apo run` on the parity task, where every call goes to the server."""
        url = server if isinstance(server, str) else server.url
        where = ["--url", url, "--model", "fake", "--results", str(self.results), "--no-cache"]
        return ["run", "parity.py", *where, *([] if "--calls" in more else ["--calls", str(CALLS)]), *more]

    @property
    def runs(self) -> list[RunFolder]:
        """Its runs, the newest first."""
        return list_runs(self.results)

    @property
    def run(self) -> RunFolder:
        """Its only run."""
        (run,) = self.runs
        return run


def ended(process: Process, seconds: float = 120) -> Done:
    """What a process said, when it has ended."""
    try:
        out, err = process.communicate(timeout=seconds)
    except BaseException:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def until(ready: Callable[[], bool], process: Process, seconds: float = 60) -> None:
    """Wait for what a process is about to cause."""
    deadline = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"it did not come: {process.communicate()}")
        time.sleep(0.02)


def heard(process: Process) -> str:
    """Wait until a process says that it heard Ctrl-C; all that it has said on stderr."""
    assert process.stderr is not None
    said = ""
    while "once more stops at once" not in said:
        line = process.stderr.readline()
        assert line, f"it ended before: {said}"
        said += line
    return said


def refused(done: Done, code: int, *said: str) -> str:
    """Check that a command ended with one line for its user; gives the line."""
    assert (code, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n")), done
    assert done.stderr.startswith("apo: ")
    assert not [part for part in said if part not in done.stderr], done.stderr
    return done.stderr.strip()


def well(done: Done) -> Done:
    """Check that a command ended well."""
    assert 0 == done.returncode, done.stderr
    assert "Traceback" not in done.stderr
    return done


def rows(run: RunFolder) -> int:
    """Evaluations that a run's journal holds, the sealed ones included."""
    spend = run.history().spend
    return spend["task"].calls + spend["test"].calls


def rows_asked(server: FakeServer) -> int:
    """Evaluations that a server was asked for; what asks at a temperature is a proposer."""
    return sum(body["temperature"] == 0 for body in server.asked)


class Gate:
    """A model that answers so many requests and keeps the others waiting until it is opened."""

    def __init__(self, free: int) -> None:
        self.free, self.count = free, 0
        self.opened = threading.Event()
        self._guard = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> tuple[int, str]:
        """An answer, when its time has come."""
        with self._guard:
            self.count += 1
            waits = self.count > self.free
        if waits:
            self.opened.wait()
        return even(body)

    @property
    def reached(self) -> bool:
        """Whether somebody waits."""
        return self.count > self.free


@contextmanager
def gated(free: int) -> Iterator[tuple[Gate, FakeServer]]:
    """A gate with its server; it is opened at the end, so that nobody waits for ever."""
    gate = Gate(free)
    with fake_server(gate) as server:
        try:
            yield gate, server
        finally:
            gate.opened.set()


@dataclass(frozen=True)
class Stopped:
    """A run named `mine` that was interrupted in the middle, and its server."""

    place: Place
    server: FakeServer
    done: Done
    asked: int
    """Rows that the server was asked for until then."""

    def copy(self, where: Path) -> Place:
        """The run once more, in a results folder of its own."""
        shutil.copytree(self.place.results, where / "results")
        return Place(self.place.path, where / "results")


@contextmanager
def stopped_run(path: Path, *more: str) -> Iterator[Stopped]:
    """A run that got Ctrl-C once while rows were in flight."""
    place = Place.at(path)
    with gated(40) as (gate, server):
        process = place.start(*place.line(server, "--name", "mine", *more))
        until(lambda: gate.reached, process)
        process.send_signal(signal.SIGINT)
        said = heard(process)
        gate.opened.set()
        done = ended(process)
        done.stderr = said + done.stderr
        yield Stopped(place, server, done, rows_asked(server))
