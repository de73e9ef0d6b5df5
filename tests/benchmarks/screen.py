"""The terminal interface measured from outside: a process on a terminal, keys in, text out.

First paint: from starting `apo watch` to the first drawn line. A key's latency: from writing `s` to the
terminal until the name of the new sorting order comes back; `s` sorts and draws the whole board anew, so
it is the most expensive key. The processor's share is that of the screen's process alone, of one core.
"""

import os
import pty
import random
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

from apo import events
from apo.candidate import Candidate, Evaluation, Usage
from apo.events import Event, Record, to_json
from apo.prompt import Prompt
from apo.store.runs import RunFolder
from apo.task import Score, Task
from tests.benchmarks.page import publish
from tests.helpers import started, toy_spec, toy_task

OUTPUT = Path("results/benchmarks/screen.md")
CANDIDATES, ROWS, CHUNK = 5_000, 200, 64
RATE, SECONDS = 2_000, 30
"""Evaluations a second that arrive, and for how long."""
ORDERS = (b"mean", b"newest", b"shortest", b"lower bound")
HEAVY = ("torch", "openai", "vllm", "transformers", "datasets", "botorch")


class Terminal:
    """`apo watch` on a terminal of 120 by 40."""

    def __init__(self, folder: Path) -> None:
        self.master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "apo", "watch", str(folder)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(slave)
        self.orders = 0

    def await_text(self, text: bytes, limit: float = 60.0) -> float:
        """Seconds from now until the text is drawn."""
        begun, seen = time.perf_counter(), b""
        while time.perf_counter() - begun < limit:
            if select.select([self.master], [], [], 0.05)[0]:
                seen = seen[-100:] + self._read()
                if text in seen:
                    return time.perf_counter() - begun
        sys.exit(f"{text!r} was not drawn within {limit} s; nothing was measured.")

    def read_on(self, seconds: float) -> None:
        """Take what is drawn for a while."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self.master], [], [], left)[0]:
                self._read()

    def _read(self) -> bytes:
        try:
            return os.read(self.master, 1 << 16)
        except OSError:  # the process has ended
            return b""

    def latency(self) -> float:
        """Seconds from a key to what it does."""
        os.write(self.master, b"s")
        order = ORDERS[self.orders % len(ORDERS)]
        self.orders += 1
        return self.await_text(order)

    def used(self) -> float:
        """Processor seconds of the screen's process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """MiB in use."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096 >> 20

    def leave(self) -> None:
        """Press q, and wait for the end."""
        os.write(self.master, b"q")
        until = time.perf_counter() + 20
        while self.process.poll() is None and time.perf_counter() < until:
            self.read_on(0.1)
        self.process.kill()
        os.close(self.master)


def search(task: Task, candidates: int) -> Iterator[Event]:
    """A search that meets every row with every candidate, eight a step; right or wrong by chance."""
    rng = random.Random(0)
    yield started(task, toy_spec())
    made = step = 0
    while made < candidates:
        side = None if step == 0 else "instruction"
        yield events.StepStarted(step=step, side=side, component="opro" if step else "seed")  # type: ignore[arg-type]
        width = min(8 if step else 1, candidates - made)
        new = tuple(candidate(made + n) for n in range(width))
        yield events.CandidatesProposed(step=step, candidates=new)
        done = [one for c in new for one in answered(task, c, rng)]
        for n in range(0, len(done), CHUNK):
            yield events.EvaluationsFinished(evaluations=tuple(done[n : n + CHUNK]))
        yield events.StepFinished(step=step, gain=0.0, calls=len(done))
        made, step = made + width, step + 1


def candidate(number: int) -> Candidate:
    """A candidate of the made-up search."""
    prompt = Prompt(f"Name the colour of the ball. This is version {number} of the instruction.")
    return Candidate(f"c{number}", prompt, ("c0",) if number else (), "opro" if number else "seed")


def answered(task: Task, one: Candidate, rng: random.Random) -> Iterator[Evaluation]:
    """All its dev rows."""
    skill = 0.3 + 0.5 * rng.random()
    for row in task.dev:
        score = Score(float(rng.random() < skill), "red")
        yield Evaluation(one.id, row.id, "The colour is red.", score, Usage(120, 5, 0.213))


def write(folder: RunFolder, facts: Iterator[Event]) -> int:
    """Write a journal; returns how many records it has."""
    n = 0
    folder.write_spec(toy_spec())
    with folder.journal.open("wb") as file:
        for n, fact in enumerate(facts, 1):
            file.write(to_json(Record(n - 1, 1_000_000.0 + n / 10, fact)) + b"\n")
    return n


def main() -> None:
    """Measure all, print and write the table."""
    task = toy_task(3 * ROWS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        folder = Path(scratch)
        lines = [*first_paint(task, folder), *million(task, folder), *arriving(task, folder)]
    head = ["# The terminal interface", "", (__doc__ or "").strip(), ""]
    table = ["| what | measured | to reach |", "| --- | --- | --- |"]
    text = "\n".join([*head, *table, *(f"| {a} | {b} | {c} |" for a, b, c in lines), ""])
    publish(OUTPUT, text)


def first_paint(task: Task, scratch: Path) -> list[tuple[str, str, str]]:
    """Of a small run, five times; and what was imported by then."""
    folder = new(scratch, "small")
    write(folder, search(task, 3))
    painted, boards = [], []
    for _ in range(5):
        terminal = Terminal(folder.path)
        painted.append(terminal.await_text("apo ·".encode()))
        terminal.await_text(b"c2")
        boards.append(time.perf_counter() - terminal.began)
        terminal.leave()
    code = (
        "import sys, apo.cli, tui.run_screen, tui.app; print([m for m in sys.argv[1:] if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True, timeout=60
    )
    return [
        ("first paint, median of 5", f"{statistics.median(painted):.2f} s", "under 0.5 s"),
        ("the board of a small run on it, median of 5", f"{statistics.median(boards):.2f} s", ""),
        ("heavy modules imported by then", done.stdout.strip(), "[]"),
    ]


def million(task: Task, scratch: Path) -> list[tuple[str, str, str]]:
    """Opening a finished journal of a million evaluations."""
    folder = new(scratch, "million")
    ending = iter([events.RunFinished(reason="budget spent", best="c0")])
    write(folder, (fact for part in (search(task, CANDIDATES), ending) for fact in part))
    size = folder.journal.stat().st_size >> 20
    terminal = Terminal(folder.path)
    opened = terminal.await_text(b"FINISHED", 120)
    terminal.read_on(2)
    latencies = [terminal.latency() for _ in range(40)]
    memory = terminal.memory()
    terminal.leave()
    what = f"{CANDIDATES * ROWS:,} evaluations of {CANDIDATES:,} candidates ({size} MiB)"
    return [
        (f"opening {what}", f"{opened:.1f} s", "under 10 s"),
        ("key in it, 95th percentile of 40", f"{1000 * worst(latencies):.0f} ms", "usable"),
        ("memory with it open", f"{memory} MiB", ""),
    ]


def arriving(task: Task, scratch: Path) -> list[tuple[str, str, str]]:
    """Evaluations that arrive while keys are pressed."""
    folder = new(scratch, "live")
    facts = list(search(task, 500))
    n = write(folder, iter(facts[:-1]))
    with folder.locked():
        terminal = Terminal(folder.path)
        terminal.await_text(b"RUNNING")
        terminal.read_on(2)
        latencies, share, rate = _feed(folder, task, terminal, n)
        terminal.leave()
    return [
        (
            f"{rate:.0f} evaluations a second arriving: key, 95th percentile of {len(latencies)}",
            f"{1000 * worst(latencies):.0f} ms",
            "under 100 ms",
        ),
        ("the same: key, median", f"{1000 * statistics.median(latencies):.0f} ms", ""),
        ("the same: share of one core, keys included", f"{100 * share:.0f} %", "under 50 %"),
    ]


def _feed(folder: RunFolder, task: Task, terminal: Terminal, n: int) -> tuple[list[float], float, float]:
    """Key latencies, share of a core, and evaluations a second while a child process writes."""
    feeder = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.benchmarks.screen",
            "feed",
            str(folder.path),
            str(n),
            str(len(task.dev)),
        ]
    )
    begun, used, latencies = time.perf_counter(), terminal.used(), []
    while feeder.poll() is None:
        latencies.append(terminal.latency())
        terminal.read_on(0.25)
    wall = time.perf_counter() - begun
    return latencies, (terminal.used() - used) / wall, RATE


def feed(folder: Path, n: int, rows: int) -> None:
    """Append evaluations at a steady rate: a step of eight candidates after another."""
    task, rng = toy_task(3 * rows), random.Random(1)
    begun, written, number = time.perf_counter(), 0, 500
    with RunFolder(folder).journal.open("ab", buffering=0) as file:
        while time.perf_counter() - begun < SECONDS:
            new = tuple(candidate(number + k) for k in range(8))
            step = number // 8 + 10
            facts: list[Event] = [
                events.StepStarted(step=step, side="instruction", component="opro"),
                events.CandidatesProposed(step=step, candidates=new),
            ]
            number += 8
            done = [one for c in new for one in answered(task, c, rng)]
            chunks = [done[k : k + CHUNK] for k in range(0, len(done), CHUNK)]
            facts += [events.EvaluationsFinished(evaluations=tuple(chunk)) for chunk in chunks]
            for fact in (*facts, events.StepFinished(step=step, gain=0.0, calls=len(done))):
                file.write(to_json(Record(n, time.time(), fact)) + b"\n")
                n += 1
                written += len(fact.evaluations) if isinstance(fact, events.EvaluationsFinished) else 0
                time.sleep(max(0.0, begun + written / RATE - time.perf_counter()))


def new(scratch: Path, name: str) -> RunFolder:
    """An empty run folder."""
    (scratch / name).mkdir()
    return RunFolder(scratch / name)


def worst(latencies: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(latencies, n=20)[-1]


if __name__ == "__main__":
    if sys.argv[1:2] == ["feed"]:
        feed(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
