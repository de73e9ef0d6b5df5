"""How fast a local server answers a task's own requests, measured with one that is started for it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from apo.backends.openai import OpenAI
from apo.candidate import Candidate
from apo.errors import ServerError
from apo.evaluation import Evaluator, Pair
from apo.exemplars._draw import draw
from apo.prompt import Prompt
from apo.seeding import rng
from apo.serving.command import EngineSettings, Options
from apo.serving.server import Server, ended, serve
from apo.serving.weights import Report
from apo.task import Task, as_exemplars

LISTS = 4
"""Exemplar lists, beside the seed prompt."""
EXEMPLARS = 8
ROWS = 64
"""Most dev rows."""
STOPPING = 60.0
"""Seconds that the server of the trial before has to end."""


def measurer(task: Task, model: str, options: Options, report: Report) -> Callable[[EngineSettings], float]:
    """Requests per second with the settings that it is given; each call starts a server and stops it.

    Raises:
        ServerError: such a server does not start, or does not answer all requests.
    """

    def measure(settings: EngineSettings) -> float:
        chosen = replace(options, engine=settings)
        try:
            with serve(model, chosen, report) as server:
                report("Measuring")
                _answered(task, server, _pairs(task, "warm")[:ROWS])
                pairs = _pairs(task, "measured")
                began = time.monotonic()
                _answered(task, server, pairs)
                return len(pairs) / (time.monotonic() - began)
        finally:
            ended(model, chosen, STOPPING, report)

    return measure


def _pairs(task: Task, purpose: str) -> list[Pair]:
    """The seed prompt and a few lists of exemplars on dev rows: what a search asks, the same each time."""
    pool = as_exemplars(task.train)
    prompts = [task.seed]
    for number in range(LISTS):
        drawn = draw(pool, EXEMPLARS, rng(0, number, f"engine {purpose}"), balanced=True)
        prompts.append(Prompt(task.seed.instruction, drawn, task.seed.layout))
    candidates = [Candidate(f"c{number}", prompt) for number, prompt in enumerate(prompts)]
    return [(candidate, row) for candidate in reversed(candidates) for row in task.dev[:ROWS]]


def _answered(task: Task, server: Server, pairs: Sequence[Pair]) -> None:
    """Ask everything through a new backend, which finds out by itself how much to ask at once."""
    backend = OpenAI(base_url=server.base_url, api_key=server.api_key, model=server.model)
    try:
        chunks = list(Evaluator(backend, task.scorer, task.decoding).evaluate(pairs))
    finally:
        backend.close()
    failures = [e.failure for chunk in chunks for e in chunk if e.failure is not None]
    if failures:
        raise ServerError(f"{len(failures)} of {len(pairs)} requests failed: {failures[0].message}")
