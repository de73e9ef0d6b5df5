"""A whole search against the engine alone: the same requests given to `vllm.LLM` all at once.

A default run is recorded: its requests, of all roles, and the seconds from its first event to its last. Then
the engine answers the same requests in a process of its own, as many at once as it likes; that is what the
machine can do. A run knows no request before the answers on which it depends, so the engine also answers them
batch by batch, each when the one before has ended. The same run through a server follows, where the default
is without one. The first two are done three times in turn: times and ratios are medians, with all ratios.
Loading and compiling are counted nowhere.

    python -m tests.benchmarks.search DATA_DIR [TASK ...]
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from apo import runner, words
from apo.backends import Backend, Completion, Request
from apo.budget import Budget
from apo.history import History
from apo.loading import load
from apo.progress import Lines
from apo.serving.hardware import machine
from apo.spec import DEFAULT_MODEL, ModelSpec, RunSpec, TaskSource
from apo.store import runs
from tests.benchmarks.page import public_data, publish

TASKS = ("instruction_induction/sentiment", "instruction_induction/active_to_passive")
CALLS = 2000
TURNS = 3
OUTPUT = Path("results/benchmarks/search.md")
Seen = list[list[tuple[Request, Completion]]]
"""Requests and answers, batch by batch."""


@dataclass(frozen=True)
class Recorded:
    """A backend that keeps what it was asked, and answered, batch by batch."""

    backend: Backend
    seen: Seen

    def stream(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        """The backend's answers."""
        self.seen.append([])
        for answer in self.backend.stream(requests):
            self.seen[-1].append(answer)
            yield answer


def main() -> None:
    """Measure each task, print and write the table."""
    data = public_data()
    rows = [_measured(name, data) for name in sys.argv[2:] or TASKS]
    text = "\n".join([_head(), *rows, ""])
    publish(OUTPUT, text)


def _measured(name: str, data: Path) -> str:
    """One line of the table."""
    spec = RunSpec(
        task=TaskSource(name, data_dir=str(data)),
        model=ModelSpec(DEFAULT_MODEL),
        budget=Budget(calls=CALLS),
        cache=False,
    )
    with tempfile.TemporaryDirectory() as kept:
        turns = [_turn(spec, Path(kept) / str(turn), batches=turn == 0) for turn in range(TURNS)]
        served = replace(spec, model=replace(spec.model, engine="server"))
        other = _searched(served, Path(kept) / "server")[0].seconds
    done = [completion for batch in turns[0].seen for _, completion in batch]
    alone, batches = statistics.median(turn.alone[0] for turn in turns), turns[0].alone[-1]
    ratios = sorted(turn.alone[0] / turn.seconds for turn in turns)
    cells = (
        name,
        str(len(done)),
        str(sum(completion.usage.completion_tokens for completion in done)),
        words.duration(alone),
        words.duration(statistics.median(turn.seconds for turn in turns)),
        f"{statistics.median(ratios):.3f} ({', '.join(f'{ratio:.3f}' for ratio in ratios)})",
        f"{words.duration(other)} ({alone / other:.3f})",
        f"{words.duration(batches)} ({turns[0].alone[0] / batches:.3f})",
    )
    return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class Turn:
    """One search, and the engine alone with its requests."""

    seconds: float
    seen: Seen
    alone: list[float]
    """Seconds for all at once, and batch by batch where that was asked for."""


def _turn(spec: RunSpec, kept: Path, batches: bool) -> Turn:
    history, seen = _searched(spec, kept / "default")
    parts = [[request for request, _ in batch] for batch in seen if batch]
    if not batches:
        parts = [[request for part in parts for request in part]]
    asked, told = kept / "requests.json", kept / "seconds.json"
    asked.write_bytes(msgspec.json.encode(parts))
    program = [sys.executable, "-m", "tests.benchmarks.engine_alone", DEFAULT_MODEL, str(asked), str(told)]
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL)
    return Turn(history.seconds, seen, msgspec.json.decode(told.read_bytes(), type=list[float]))


def _searched(spec: RunSpec, results: Path) -> tuple[History, Seen]:
    """The run, and all that its models were asked."""
    task = load(spec.task)
    seen: Seen = []
    folder = runs.named(results, "search", spec)
    with folder.locked(), runner.connected(spec, Lines().waiting) as models:
        link = replace(models.task, backend=Recorded(models.task.backend, seen))
        runner.go_on(folder, task, replace(models, task=link, proposal=link))
    return folder.history(), seen


def _head() -> str:
    told = (__doc__ or "").partition("\n\n")[2].partition("\n\n    ")[0].strip()
    return (
        f"# A search against the engine alone\n\n{told}\n\n{DEFAULT_MODEL} on {machine()}; {CALLS} calls, "
        "default settings (to reach: 0.85 of the engine alone).\n\n"
        "| task | requests | tokens written | engine alone | search | ratio (of each turn) | "
        "through a server (ratio) | batch by batch (ratio) |\n|" + " --- |" * 8
    )


if __name__ == "__main__":
    main()
