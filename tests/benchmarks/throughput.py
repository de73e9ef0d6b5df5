"""Evaluation throughput: apo's evaluator against a bare client loop, side by side on one server.

Both send the same requests to the same vLLM server in the same run. The bare loop is the plain
`openai` client under a semaphore, at each of several fixed concurrencies; its best one counts. All
requests are answered once beforehand, so that the server's prefix cache is equally warm for all.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import openai

from apo.backends.openai import OpenAI
from apo.candidate import Candidate
from apo.evaluation import Evaluator, Pair
from apo.exemplars._draw import draw
from apo.loading import load_task
from apo.progress import Lines
from apo.prompt import Exemplar, Prompt, render
from apo.seeding import rng
from apo.serving.command import Options
from apo.serving.server import Server, serve
from apo.serving.weights import DEFAULT
from apo.task import Task

CONCURRENCIES = (16, 32, 64, 128)
ROUNDS = 3
CANDIDATES = 3
OUTPUT = Path("results/benchmarks/throughput.md")


def main() -> None:
    """Measure, print, and write the table."""
    task = load_task("tickets")
    pairs = _pairs(task)
    with serve(DEFAULT, Options(), Lines().waiting) as server:
        _through_apo(task, pairs, server)
        rates: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for limit in CONCURRENCIES:
                rate = asyncio.run(_bare(task, pairs, server, limit))
                rates.setdefault(f"bare loop, {limit} at once", []).append(rate)
            rates.setdefault("apo", []).append(_through_apo(task, pairs, server))
    text = _table(rates, len(pairs))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(text, encoding="utf-8")
    print(text)


def _pairs(task: Task) -> list[Pair]:
    """A few candidates with 8 exemplars each, on all dev rows."""
    pool = [Exemplar(row.input, row.target, row.id) for row in task.train]
    candidates = [
        Candidate(f"c{n}", Prompt(task.seed.instruction, draw(pool, 8, rng(0, n, "bench"), balanced=True)))
        for n in range(CANDIDATES)
    ]
    return [(candidate, row) for candidate in candidates for row in task.dev]


def _through_apo(task: Task, pairs: Sequence[Pair], server: Server) -> float:
    """Evaluations a second through a fresh backend, which has to find its concurrency itself."""
    backend = OpenAI(base_url=server.base_url, api_key=server.api_key, model=server.model)
    try:
        began = time.monotonic()
        chunks = list(Evaluator(backend, task.scorer, task.decoding).evaluate(pairs))
        seconds = time.monotonic() - began
    finally:
        backend.close()
    failed = sum(e.failure is not None for chunk in chunks for e in chunk)
    if failed:
        sys.exit(f"{failed} evaluations failed; nothing was measured.")
    return len(pairs) / seconds


async def _bare(task: Task, pairs: Sequence[Pair], server: Server, limit: int) -> float:
    """Requests a second of the plain client at a fixed concurrency."""
    slots = asyncio.Semaphore(limit)
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key=server.api_key) as client:

        async def one(pair: Pair) -> None:
            candidate, row = pair
            messages = [asdict(m) for m in render(candidate.prompt, row.input) if not isinstance(m, str)]
            async with slots:
                await client.chat.completions.create(
                    model=server.model,
                    messages=messages,  # type: ignore[arg-type]
                    max_tokens=task.decoding.max_tokens,
                    temperature=0.0,
                    top_p=1.0,
                )

        began = time.monotonic()
        await asyncio.gather(*(one(pair) for pair in pairs))
        return len(pairs) / (time.monotonic() - began)


def _table(rates: dict[str, list[float]], requests: int) -> str:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    best = max((name for name in medians if name != "apo"), key=lambda name: medians[name])
    lines = ["# Evaluation throughput", "", (__doc__ or "").partition("\n\n")[2].strip(), ""]
    lines += [f"{requests} requests a pass, {ROUNDS} passes each in turn, requests per second:", ""]
    lines += ["| loop | median | lowest | highest |", "| --- | --- | --- | --- |"]
    for name, values in rates.items():
        lines.append(f"| {name} | {medians[name]:.1f} | {min(values):.1f} | {max(values):.1f} |")
    ratio = medians["apo"] / medians[best]
    lines += ["", f"Ratio of apo to the best bare loop ({best}): {ratio:.3f} (to reach: 0.95)", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
