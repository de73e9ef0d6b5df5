"""Evaluation throughput: apo's evaluator against vLLM's own ways to answer the same requests.

All ways have the same model with the same settings, and take turns in one run. Without a server: the engine
of `apo run --engine inprocess` against `vllm.LLM.chat`, which is given all requests at once; each is a
process of its own, and begins when the other has come to rest, since for a second after its last answer an
engine spins on a core that the next one needs. With one: apo's client, which has to find its concurrency
itself in each pass, against `vllm bench serve` at fixed concurrencies, of which the best one counts. Every
request is one user turn, greedy, and answered once beforehand, so that prefix caches are equally warm.

With public data: python -m tests.benchmarks.throughput DATA_DIR
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from apo.backends import Backend
from apo.backends.openai import OpenAI
from apo.candidate import Candidate
from apo.connection import connect
from apo.evaluation import Evaluator, Pair
from apo.exemplars._draw import draw
from apo.loading import load_task
from apo.progress import Lines
from apo.prompt import Exemplar, Layout, Prompt, render
from apo.seeding import rng
from apo.serving.command import Options
from apo.serving.hardware import has_gpu
from apo.serving.server import Server, serve
from apo.serving.weights import DEFAULT, resolve
from apo.spec import ModelSpec
from apo.task import Task, as_exemplars
from tests.benchmarks.bench_serve import bench_serve
from tests.benchmarks.llm_chat import llm_chat
from tests.benchmarks.page import publish

PUBLIC = "bbh/boolean_expressions"
PROMPTS = 20
ROWS = 100
CONCURRENCIES = (256, 512, 1024) if has_gpu() else (64, 128)
ROUNDS = 7
REST = 2.0
"""Seconds after an engine's last answer until another is asked."""
TARGET = 0.95
OUTPUT = Path("results/benchmarks/throughput.md")
Rates = dict[str, list[float]]
"""Requests a second of each pass, by what answered them; apo's come first."""


@dataclass(frozen=True)
class Work:
    """What every way is asked."""

    task: Task
    pairs: Sequence[Pair]
    texts: list[str]
    """The user turn of each pair."""


def main() -> None:
    """Measure, print, and write the table."""
    asked = work(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    text = table(asked, [without_server(asked), with_server(asked)])
    publish(OUTPUT, text)


def work(data: Path | None) -> Work:
    """PROMPTS candidates with 8 exemplars each on ROWS rows, of a public task if there is its folder.

    Nothing is searched, so rows of `train` do where `dev` has too few; none is shown the exemplar it became.
    """
    task = load_task(PUBLIC, data) if data is not None and data.is_dir() else load_task("tickets")
    pool = as_exemplars(task.train)
    rows = [*task.dev, *task.train][:ROWS]
    pairs = [(Candidate(f"c{n}", _prompt(task, pool, n)), row) for n in range(PROMPTS) for row in rows]
    turns = [render(candidate.prompt, row.input, row.id) for candidate, row in pairs]
    return Work(task, pairs, [turn[0].content for turn in turns if not isinstance(turn, str)])


def _prompt(task: Task, pool: list[Exemplar], number: int) -> Prompt:
    exemplars = draw(pool, 8, rng(0, number, "bench"), balanced=True)
    return Prompt(task.seed.instruction, exemplars, Layout(form="flat"))


def without_server(asked: Work) -> Rates:
    """Apo's own engine against `vllm.LLM.chat`."""
    conversations = [[{"role": "user", "content": text}] for text in asked.texts]
    body = {"conversations": conversations, "max_tokens": asked.task.decoding.max_tokens}
    rates: Rates = {"apo, --engine inprocess": [], "vllm.LLM.chat": []}
    with tempfile.TemporaryDirectory() as folder:
        requests = Path(folder) / "requests.json"
        requests.write_text(json.dumps(body), encoding="utf-8")
        with (
            connect(ModelSpec(DEFAULT, engine="inprocess"), Lines().waiting) as link,
            llm_chat(resolve(DEFAULT, Lines().waiting), Options(), requests) as chat,
        ):
            _through_apo(asked, link.backend)
            chat()
            for _ in range(ROUNDS):
                time.sleep(REST)
                rates["apo, --engine inprocess"].append(_through_apo(asked, link.backend))
                time.sleep(REST)
                rates["vllm.LLM.chat"].append(len(asked.texts) / chat())
    return rates


def with_server(asked: Work) -> Rates:
    """Apo's client against `vllm bench serve`, on one server."""
    rates: Rates = {"apo, --engine server": []}
    with serve(DEFAULT, Options(), Lines().waiting) as server:
        _through_client(asked, server)
        for _ in range(ROUNDS):
            rates["apo, --engine server"].append(_through_client(asked, server))
            for limit in CONCURRENCIES:
                weights, most = resolve(DEFAULT, Lines().waiting), asked.task.decoding.max_tokens
                rate = bench_serve(server, weights, asked.texts, most, limit)
                rates.setdefault(f"vllm bench serve, {limit} at once", []).append(rate)
    return rates


def _through_client(asked: Work, server: Server) -> float:
    """Evaluations a second through a fresh client."""
    with closing(OpenAI(base_url=server.base_url, api_key=server.api_key, model=server.model)) as backend:
        return _through_apo(asked, backend)


def _through_apo(asked: Work, backend: Backend) -> float:
    """Evaluations a second."""
    began = time.monotonic()
    chunks = list(Evaluator(backend, asked.task.scorer, asked.task.decoding).evaluate(asked.pairs))
    seconds = time.monotonic() - began
    failed = sum(e.failure is not None for chunk in chunks for e in chunk)
    if failed:
        sys.exit(f"{failed} evaluations failed; nothing was measured.")
    return len(asked.pairs) / seconds


def table(asked: Work, measured: Sequence[Rates]) -> str:
    """What was found, as Markdown."""
    lines = ["# Evaluation throughput", "", (__doc__ or "").split("\n\n")[1].strip(), ""]
    where = "a GPU" if has_gpu() else "a CPU"
    lines += [
        f"{PROMPTS} prompts on {len(asked.pairs) // PROMPTS} rows of {asked.task.name}, {len(asked.pairs)} "
        f"requests a pass, {ROUNDS} passes each in turn, on {where}; requests per second:",
        "",
        "| way | median | lowest | highest |",
        "| --- | --- | --- | --- |",
    ]
    for rates in measured:
        for name, values in rates.items():
            middle = statistics.median(values)
            lines.append(f"| {name} | {middle:.1f} | {min(values):.1f} | {max(values):.1f} |")
    lines += ["", *(_ratio(rates) for rates in measured), ""]
    return "\n".join(lines)


def _ratio(rates: Rates) -> str:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    (name, ours), *others = medians.items()
    rival, best = max(others, key=lambda one: one[1])
    return f"* {name} to {rival}: {ours / best:.3f} (to reach: {TARGET})"


if __name__ == "__main__":
    main()
