"""How fast a model answers a task's own requests here, measured as a run would ask them."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from apo.backends import Backend
from apo.backends.concurrency import Concurrency
from apo.candidate import Candidate
from apo.connection import local
from apo.errors import ConfigError, ServerError
from apo.evaluation import Evaluator, Pair
from apo.exemplars._draw import draw
from apo.prompt import Prompt
from apo.seeding import rng
from apo.serving.command import EngineSettings, Options
from apo.serving.hardware import has_gpu
from apo.serving.server import ended, machine_folder, used
from apo.serving.weights import Report
from apo.spec import ModelSpec
from apo.task import Task, as_exemplars

LISTS, GPU_LISTS = 4, 31
"""Exemplar lists, beside the seed prompt: on a GPU four times what a run asks at once."""
EXEMPLARS = 8
ROWS = 64
"""Most dev rows."""


def check_alone() -> None:
    """Refuse to measure beside other vLLM of this user's; what is only being stopped is waited for.

    Raises:
        ConfigError: some is in use.
        ServerError: some that nobody uses does not end.
    """
    if there := used():
        raise ConfigError(
            "apo tune-engine needs this machine for itself, since what else computes here slows down what it "
            f"measures, but vLLM is in use for {_model(there[0])} ({there[0]}). Try again when the runs that "
            "use it have ended."
        )
    _wait()


def _wait() -> None:
    """Wait until no vLLM runs here any more.

    Raises:
        ServerError: some does not end.
    """
    if not ended(machine_folder()):
        raise ServerError(f"vLLM that nobody uses does not end; it belongs to {machine_folder()}.")


def _model(folder: Path) -> str:
    """The model that vLLM was started with last in a folder."""
    try:
        program = json.loads((folder / "launch.json").read_text(encoding="utf-8"))
        return str(program[program.index("--model") + 1])
    except (OSError, ValueError):
        return "a model"


def measurer(task: Task, model: str, options: Options, report: Report) -> Callable[[EngineSettings], float]:
    """Requests per second with the settings that it is given, of what a run takes by default.

    Each call starts an engine and stops it.

    Raises:
        ServerError: such an engine does not start, or does not answer all requests.
    """
    spec, lists = ModelSpec(model, context=options.context), GPU_LISTS if has_gpu() else LISTS
    warm, pairs = _pairs(task, "warm", lists)[:ROWS], _pairs(task, "measured", lists)

    def measure(settings: EngineSettings) -> float:
        _wait()  # for the engine of the trial before
        # At once what a run asks at most, so that the settings alone decide how much is computed at a time.
        at_once = min(len(pairs), Concurrency().most)
        with local(spec, replace(options, engine=settings), report, at_once) as link:
            report("Measuring")
            _answered(task, link.backend, warm)
            began = time.monotonic()
            _answered(task, link.backend, pairs)
            return len(pairs) / (time.monotonic() - began)

    return measure


def _pairs(task: Task, purpose: str, lists: int) -> list[Pair]:
    """The seed prompt and a few lists of exemplars on dev rows: what a search asks, the same each time."""
    pool = as_exemplars(task.train)
    prompts = [task.seed]
    for number in range(lists):
        drawn = draw(pool, EXEMPLARS, rng(0, number, f"engine {purpose}"), balanced=True)
        prompts.append(Prompt(task.seed.instruction, drawn, task.seed.layout))
    candidates = [Candidate(f"c{number}", prompt) for number, prompt in enumerate(prompts)]
    return [(candidate, row) for candidate in reversed(candidates) for row in task.dev[:ROWS]]


def _answered(task: Task, backend: Backend, pairs: Sequence[Pair]) -> None:
    chunks = Evaluator(backend, task.scorer, task.decoding).evaluate(pairs)
    failures = [e.failure for chunk in chunks for e in chunk if e.failure is not None]
    if failures:
        raise ServerError(f"{len(failures)} of {len(pairs)} requests failed: {failures[0].message}")
