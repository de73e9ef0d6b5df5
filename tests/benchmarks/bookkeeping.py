"""What apo itself costs: whole runs whose model answers at once, and going on with them.

A run goes through `apo.runner` as a headless one does: a journal on the disk, plain progress lines,
`best.json`, the default components. The model is a function. Nothing is subtracted: its time, rendering,
scoring and proposing count. Each run is a process of its own that is interrupted after so many calls, far
from the end of its budget; then another process goes on with it until rows are answered. Answers have 22
characters, and hardly two are alike. Memory is the most that a process ever held. Times are of the clock and,
in brackets, of the processor, which says more on a busy machine.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from apo import events
from apo.backends import Completion, Request
from apo.backends.scripted import Scripted
from apo.budget import Budget
from apo.candidate import Usage
from apo.connection import Link
from apo.history import History
from apo.progress import Lines
from apo.prompt import as_text
from apo.runner import Models, go_on
from apo.spec import Identity, ModelSpec, RunSpec, TaskSource
from apo.store.runs import named
from tests.benchmarks.page import publish
from tests.helpers import toy_task

OUTPUT = Path("results/benchmarks/bookkeeping.md")
CALLS = (10_000, 100_000, 1_000_000)
ROWS = 200
"""Of each split."""
MARGIN = 100_000
"""Calls that a run might have gone on for, so that the end of its budget shapes nothing that is measured."""
MARK = 10_000
"""Calls from one mark to the next: the last so many of a run are told apart."""


def answer(request: Request) -> Completion:
    """Right by chance, prompts with a skill of their own; an instruction where a proposer asks."""
    if request.temperature > 0:
        written = f"<INS>Name the colour of the ball, version {request.seed}.</INS>"
        return Completion(written, Usage(400, 20, 0.8))
    text = as_text(request.rendered)
    drawn, skill = crc32(text.encode()), 0.4 + 0.4 * crc32(text[:60].encode()) / 2**32
    ball = int(text[text.rindex("ball ") + 5 :][:4])
    label = ("red", "blue")[(ball + (drawn / 2**32 > skill)) % 2]
    return Completion(f"It is {label:4}: {drawn:010}.", Usage(len(text) // 4, 8, 0.213))


@dataclass
class Watch:
    """Notes when calls are made, and says when they are enough."""

    enough: int
    """Calls of the run, or 0 for the first ones of this process."""
    marks: list[tuple[int, float, float]] = field(default_factory=list)
    """Calls, seconds of the clock and of the processor: first event, every MARK calls, the last ones."""
    calls: int = 0

    def observe(self, history: History, record: events.Record) -> None:
        """One more event."""
        done = isinstance(record.event, events.EvaluationsFinished)
        if done:
            self.calls = history.total.calls
        if not self.marks or (done and self.calls - self.marks[-1][0] >= MARK) or self.over():
            self.marks.append((self.calls, time.perf_counter(), time.process_time()))

    def over(self) -> bool:
        """Whether it is enough."""
        return self.calls >= max(self.enough, 1)


def drive(path: Path, calls: int) -> dict[str, Any]:
    """Begin a run, or go on with it, until so many calls are made; what was measured."""
    task, link, watch = (
        toy_task(3 * ROWS),
        Link(Scripted(answer, keep=False), Identity("scripted")),
        Watch(calls),
    )
    spec = RunSpec(
        task=TaskSource("toy"),
        model=ModelSpec("scripted", "http://127.0.0.1:1/v1"),
        budget=Budget(calls=max(CALLS) + MARGIN),
    )
    folder = named(path.parent, path.name, spec)
    began = (0, time.perf_counter(), time.process_time())
    with folder.locked(), suppress(KeyboardInterrupt):
        go_on(folder, task, Models(link, link), Lines().observe, watch.observe, interrupted=watch.over)
        sys.exit("The run ended by itself; nothing was measured.")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {"marks": [began, *watch.marks], "memory": memory, "journal": folder.journal.stat().st_size >> 20}


def apart(*arguments: object) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.bookkeeping", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def each(marks: Sequence[Sequence[float]]) -> str:
    """Microseconds a call from the first of some marks to the last, of clock and processor."""
    (first, *times), (last, *later) = marks[0], marks[-1]
    clock, processor = (1e6 * (b - a) / (last - first) for a, b in zip(times, later, strict=True))
    return f"{clock:.0f} ({processor:.0f})"


def since(marks: Sequence[Sequence[float]]) -> str:
    """Seconds from the first of some marks to the last, of clock and processor."""
    clock, processor = (b - a for a, b in zip(marks[0][1:], marks[-1][1:], strict=True))
    return f"{clock:.2f} ({processor:.2f})"


def row(scratch: Path, calls: int) -> str:
    """The table's line of one size."""
    path = scratch / str(calls)
    ran, resumed = apart(path, calls), apart(path, 0)
    marks = ran["marks"]
    cells = (
        f"{calls:,}",
        each(marks),
        each(marks[-3:-1] if len(marks) > 4 else marks),
        f"{ran['memory']} MiB",
        f"{ran['journal']} MiB",
        since(resumed["marks"][:2]),
        since(resumed["marks"]),
        f"{resumed['memory']} MiB",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure all sizes, print and write the table."""
    heads = (
        "calls",
        "µs a call, all",
        f"µs a call, the last {MARK:,}",
        "memory",
        "journal",
        "resume: s until the journal is read",
        "s until rows are answered",
        "memory",
    )
    lines = ["# Book-keeping", "", (__doc__ or "").strip(), ""]
    lines += [
        "To reach: under 150 µs a call whatever the size; a million resumed in under 5 s and under 1 GB.",
        "",
    ]
    lines += [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    with tempfile.TemporaryDirectory() as scratch:
        lines += [row(Path(scratch), calls) for calls in CALLS]
    text = "\n".join([*lines, ""])
    publish(OUTPUT, text)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(drive(Path(sys.argv[1]), int(sys.argv[2]))))
    else:
        main()
