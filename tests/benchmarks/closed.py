"""Closed tasks: whole answers against ways that cost one token or none of its own, on one server.

Thirty prompts (the seed in two layouts, and lists of 1 to 16 exemplars in six) are asked the first 40 dev
rows in every way:

- whole: the answer is generated, and read by the scorer; this is what counts.
- first token: one token is generated, and stands for the label that it begins (`--scoring token`).
- likeliest label: the label whose first tokens are likeliest among the 20 likeliest of all, whatever else
  the model would rather say (log-probabilities).
- constrained: the answer is generated, and the server lets it be a label only (structured outputs).

Whole and first token are timed through apo's evaluator, in turns, each on rows that were not asked before;
the other two ways follow. Groups of prompts that are complete are kept, so a script that was stopped goes on
where it was.

    python -m tests.benchmarks.closed [SECONDS]
"""

import asyncio
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import openai
from scipy.stats import spearmanr

from apo import trial, words
from apo.backends.openai import OpenAI
from apo.candidate import Candidate
from apo.closed import begun
from apo.evaluation import Evaluator, Pair
from apo.exemplars._draw import draw
from apo.files import write_private
from apo.loading import load_task
from apo.progress import Lines
from apo.prompt import Layout, Prompt, render, stops
from apo.scorers import Choice
from apo.seeding import rng
from apo.serving.command import Options
from apo.serving.server import Server, serve
from apo.serving.weights import DEFAULT
from apo.spec import ModelSpec, RunSpec, TaskSource
from apo.task import Decoding, Task, as_exemplars

FOLDER = Path("results/benchmarks")
PROMPTS, GROUP, ROWS = 30, 6, 40
SIZES = (1, 2, 3, 5, 8, 12, 16)
TOPS = 20
RESAMPLES = 2000
TEAMS = ("billing", "shipping", "returns", "technical")
LAYOUTS = (
    Layout(),
    Layout("fields"),
    Layout("completion"),
    Layout("flat"),
    Layout("turns", "last"),
    Layout("completion", input_label="Text", output_label="Label", separator="\n"),
)
TIMED = ("whole", "first token")
WAYS = ("whole", "first token", "likeliest label", "constrained")


@dataclass
class Measured:
    """What a task's prompts answered, as far as they were asked."""

    scores: dict[str, list[list[float]]] = field(default_factory=lambda: {way: [] for way in WAYS})
    """By way, for each prompt its score on each row."""
    mass: list[list[float]] = field(default_factory=list)
    """Probability that an answer begins with a label."""
    seconds: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in TIMED})
    """By way, for each group of prompts the time that half of its rows took."""
    tokens: dict[str, list[int]] = field(default_factory=lambda: {way: [] for way in TIMED})
    """Generated in that time."""
    verdict: str = ""
    """What apo's own rule says."""


def teams() -> Task:
    """The bundled tickets of four of its teams."""
    task = load_task("tickets")

    def kept(rows: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(row for row in rows if row.target in TEAMS)

    instruction = (
        "Which team should answer this customer's message? Reply with one word: "
        f"{', '.join(TEAMS[:-1])} or {TEAMS[-1]}."
    )
    return replace(
        task,
        name="tickets, 4 teams",
        seed=Prompt(instruction),
        scorer=Choice(TEAMS),
        train=kept(task.train),
        dev=kept(task.dev),
        test=kept(task.test),
    )


def prompts(task: Task) -> list[Prompt]:
    """The pool, the same at every call."""
    pool = as_exemplars(task.train)
    found = [task.seed, replace(task.seed, layout=Layout("completion"))]
    for k in range(PROMPTS - len(found)):
        shown = draw(pool, SIZES[k % len(SIZES)], rng(0, k, "closed"), balanced=k % 2 == 0)
        found.append(Prompt(task.seed.instruction, shown, LAYOUTS[k % len(LAYOUTS)]))
    return found


def measure(task: Task, server: Server, known: Measured, path: Path, until: float) -> None:
    """Ask the groups that are missing, as long as there is time."""
    assert isinstance(task.scorer, Choice)
    labels, all_prompts = task.scorer.labels, prompts(task)
    backend = OpenAI(base_url=server.base_url, api_key=server.api_key, model=server.model)
    whole = Evaluator(backend, task.scorer, task.decoding)
    ways = {"whole": whole, "first token": replace(whole, labels=labels)}
    try:
        if not known.verdict and time.monotonic() < until:
            spec = RunSpec(TaskSource(), ModelSpec(DEFAULT), scoring="auto")
            known.verdict = words.scoring(trial.choose(spec, task, whole, 10**6))
            write_private(path, msgspec.json.encode(known))
        while (start := len(known.mass)) < PROMPTS and time.monotonic() < until:
            asked = [Candidate(f"c{n}", all_prompts[n]) for n in range(start, min(PROMPTS, start + GROUP))]
            scores = _timed(task, asked, ways, known, turned=(start // GROUP) % 2 == 1)
            constrained = replace(whole, decoding=Decoding(task.decoding.max_tokens, labels))
            scores["constrained"] = _ask(constrained, _pairs(task, asked))[0]
            values, mass = asyncio.run(_likeliest(task, asked, labels, server))
            scores["likeliest label"] = values
            for way, found in scores.items():
                known.scores[way] += [[found[c.id, row.id] for row in task.dev[:ROWS]] for c in asked]
            known.mass += [[mass[c.id, row.id] for row in task.dev[:ROWS]] for c in asked]
            write_private(path, msgspec.json.encode(known))
            print(f"{task.name}: {len(known.mass)} of {PROMPTS} prompts", flush=True)
    finally:
        backend.close()


Scores = dict[tuple[str, str], float]


def _pairs(task: Task, asked: Sequence[Candidate], half: int | None = None) -> list[Pair]:
    """Prompts with rows: all, or every second one."""
    rows = task.dev[:ROWS] if half is None else task.dev[half:ROWS:2]
    return [(candidate, row) for candidate in asked for row in rows]


def _timed(
    task: Task, asked: Sequence[Candidate], ways: dict[str, Evaluator], known: Measured, turned: bool
) -> dict[str, Scores]:
    """Both ways on all rows; timed is the first asking of a half: the second finds its prefix cached."""
    order = [*ways][::-1] if turned else [*ways]
    scores: dict[str, Scores] = {way: {} for way in ways}
    for half, way in enumerate(order):
        began = time.monotonic()
        found, tokens = _ask(ways[way], _pairs(task, asked, half))
        known.seconds[way].append(time.monotonic() - began)
        known.tokens[way].append(tokens)
        scores[way] |= found
    for half, way in enumerate(reversed(order)):
        scores[way] |= _ask(ways[way], _pairs(task, asked, half))[0]
    return scores


def _ask(evaluator: Evaluator, pairs: Sequence[Pair]) -> tuple[Scores, int]:
    """Scores by prompt and row, and the tokens that were generated."""
    done = [one for chunk in evaluator.evaluate(pairs) for one in chunk]
    failed = next((one.failure for one in done if one.failure is not None), None)
    if failed is not None:
        sys.exit(f"A row got no answer, so nothing is measured: {failed}")
    scores = {(one.candidate, one.example): one.score.value for one in done if one.score is not None}
    return scores, sum(one.usage.completion_tokens for one in done)


async def _likeliest(
    task: Task, asked: Sequence[Candidate], labels: Sequence[str], server: Server
) -> tuple[Scores, Scores]:
    """Whether the likeliest label is right, and the labels' probability together."""
    slots = asyncio.Semaphore(64)
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key=server.api_key) as client:

        async def one(pair: Pair) -> tuple[tuple[str, str], float, float]:
            candidate, row = pair
            rendered = render(candidate.prompt, row.input, row.id)
            common: dict[str, Any] = {"model": server.model, "max_tokens": 1, "temperature": 0.0}
            tops: list[tuple[str, float]]
            async with slots:
                if isinstance(rendered, str):
                    common |= {"prompt": rendered, "logprobs": TOPS, "stop": [*stops(candidate.prompt)]}
                    reply: Any = await client.completions.create(**common)
                    tops = list(reply.choices[0].logprobs.top_logprobs[0].items())
                else:
                    common |= {"messages": [msgspec.structs.asdict(m) for m in rendered], "logprobs": True}
                    reply = await client.chat.completions.create(**common, top_logprobs=TOPS)
                    tops = [(t.token, t.logprob) for t in reply.choices[0].logprobs.content[0].top_logprobs]
            mass = dict.fromkeys(labels, 0.0)
            for token, logarithm in tops:
                if (label := begun(labels, token)) is not None:
                    mass[label] += math.exp(logarithm)
            best = max(mass, key=lambda label: mass[label])
            return (candidate.id, row.id), float(best == row.target), min(1.0, sum(mass.values()))

        found = await asyncio.gather(*(one(pair) for pair in _pairs(task, asked)))
    return {key: value for key, value, _ in found}, {key: mass for key, _, mass in found}


def table(task: Task, known: Measured) -> list[str]:
    """One task's results as Markdown."""
    assert isinstance(task.scorer, Choice)
    truth = np.array(known.scores["whole"])  # shape: prompts, rows
    lines = [
        f"## {task.name}: {len(task.scorer.labels)} labels, {len(truth)} of {PROMPTS} prompts, "
        f"{ROWS} rows each",
        "",
    ]
    lines += ["| way | rank correlation with whole answers (95 %) | rows that score the same | mean score |"]
    lines += ["| --- | --- | --- | --- |"]
    for way in WAYS:
        scores = np.array(known.scores[way])
        low, high = _interval(truth.mean(axis=1), scores.mean(axis=1))
        rank = spearmanr(truth.mean(axis=1), scores.mean(axis=1))[0]
        same = float((truth == scores).mean())
        said = "" if way == "whole" else f"{rank:.3f} ({low:.3f} to {high:.3f})"
        lines.append(f"| {way} | {said} | {same:.1%} | {scores.mean():.3f} |")
    timed = GROUP * ROWS / 2
    ratios = [a / b for a, b in zip(known.seconds["whole"], known.seconds["first token"], strict=True)]
    rate = {way: timed / statistics.median(known.seconds[way]) for way in TIMED}
    each = statistics.mean(known.tokens["whole"]) / timed
    rates = (
        f"Rows per second, median of {len(ratios)} groups: whole answers {rate['whole']:.1f} "
        f"({each:.1f} tokens a row), first token {rate['first token']:.1f}. Ratio within a group: "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}; to reach: 2)."
    )
    if max(ratios) > 2 * min(ratios):
        rates = (
            f"A whole answer takes {each:.1f} tokens. How much faster one token is cannot be told: "
            f"the machine was busy, the ratio within a group went from {min(ratios):.2f} to "
            f"{max(ratios):.2f}."
        )
    mass = np.array(known.mass).mean(axis=1)  # shape: prompts
    near = mass >= 0.9
    token = np.array(known.scores["first token"])
    lines += [
        "",
        rates,
        "",
        f"The labels' probability is {mass.mean():.2f} on average, and at least .9 with {near.sum()} prompts"
        + (f", where {(truth == token)[near].mean():.1%} of rows score the same" if near.any() else "")
        + ". Rank correlation to reach: 0.95.",
        "",
        f"apo's own rule on its trial prompts, with `--scoring auto`: {known.verdict}.",
        "",
    ]
    return lines


def _interval(ours: Any, theirs: Any) -> tuple[float, float]:
    """Bootstrap percentiles of the rank correlation over resampled prompts."""
    draws = np.random.default_rng(0).integers(0, len(ours), size=(RESAMPLES, len(ours)))
    found = [spearmanr(ours[d], theirs[d])[0] for d in draws if len({*ours[d]}) > 1 and len({*theirs[d]}) > 1]
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    """Measure as long as there is time, and write what is known by then."""
    missing = 0
    until = time.monotonic() + (float(sys.argv[1]) if len(sys.argv) > 1 else math.inf)
    lines = ["# Closed tasks: one token against whole answers", ""]
    lines += [*(__doc__ or "").partition("\n\n")[2].partition("\n\n    python")[0].splitlines(), ""]
    with serve(DEFAULT, Options(), Lines().waiting) as server:
        for task in (teams(), load_task("sentiment")):
            path = FOLDER / f"closed-{task.name.partition(',')[0]}.json"
            known = msgspec.json.decode(path.read_bytes(), type=Measured) if path.is_file() else Measured()
            measure(task, server, known, path, until)
            missing += PROMPTS - len(known.mass)
            if known.mass:
                lines += table(task, known)
    (FOLDER / "closed.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
    if missing:
        sys.exit(f"{missing} prompts are not measured yet; run it again.")


if __name__ == "__main__":
    main()
