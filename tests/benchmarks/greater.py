"""GReaTer and GSPO against APE and ProTeGi on public data: same model, exemplars, plain seed and calls.

Every run begins with the same instruction and the same exemplars, moves nothing but the instruction, and
ends with seed and winner on the sealed test. Finished runs are kept, so a script that was stopped goes on:

    python -m tests.benchmarks.greater DATA_DIR [RESULTS]
"""

import sys
from dataclasses import replace
from pathlib import Path

from apo import runner, words
from apo.backends.openai import OpenAI
from apo.budget import Budget
from apo.exemplars._draw import draw
from apo.history import History
from apo.loading import load
from apo.progress import Lines
from apo.prompt import Exemplar, Layout, Prompt
from apo.seeding import rng
from apo.serving.command import Options
from apo.serving.server import serve
from apo.serving.weights import DEFAULT
from apo.spec import ModelSpec, RunSpec, TaskSource, WhiteBoxSpec
from apo.store import runs
from apo.task import Task
from apo.whitebox.loading import open_model
from tests.benchmarks.greater_step import measured

TASKS = (
    "instruction_induction/sentiment",
    "instruction_induction/active_to_passive",
    "instruction_induction/first_word_letter",
)
SIZES = (("train", 60), ("dev", 50), ("test", 100))
SETTINGS = {
    "GReaTer": "greater",
    "GReaTer, shortlist at random": "greater:rank=random",
    "GReaTer, no reasoning": "greater:reasoning=0",
    "GReaTer, no forward check": "greater:check=none",
    "GReaTer, as released": "greater:candidates=union,check=errors,temperature=0.2,normalise=true",
    "GSPO": "segments",
    "GSPO, no gradient": "segments:gradient=false",
    "APE": "induction",
    "ProTeGi": "reflection",
}
"""Proposers; all else is the same."""
CALLS = 1500
SECONDS = 20 * 60.0
EXEMPLARS = 3
SEED = "Answer the question."
OUTPUT = Path("results/benchmarks/greater.md")


def main() -> None:
    """Do the runs that are not done, measure a step, and write the tables."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("../shared/data")
    results = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("results")
    if not data.is_dir():
        print(f"Skipped: there is no folder {data} with public data. Give one: make bench DATA_DIR=…")
        return
    # Holding the lease keeps one server for all runs.
    with serve(DEFAULT, Options(), Lines().waiting) as server:
        rows = [
            _row(name, setting, _finished(name, setting, data, results))
            for name in TASKS
            for setting in SETTINGS
        ]
        backend = OpenAI(base_url=server.base_url, api_key=server.api_key, model=server.model)
        opened = open_model(WhiteBoxSpec(), DEFAULT, Lines().waiting)
        step = measured(plain(load(_source(TASKS[0], data))), opened, backend)
        backend.close()
    text = "\n".join([_head(), *rows, "", step])
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(text, encoding="utf-8")
    print(text)


def _source(name: str, data: Path) -> TaskSource:
    return TaskSource(name, data_dir=str(data), sizes=dict(SIZES))


def plain(task: Task) -> Task:
    """The task with an instruction that says nothing of it, and a few exemplars that stay."""
    pool = [Exemplar(row.input, row.target, row.id) for row in task.train]
    shown = draw(pool, EXEMPLARS, rng(0, 0, "greater"), balanced=True)
    return replace(task, seed=Prompt(SEED, shown, Layout("fields")))


def _finished(name: str, setting: str, data: Path, results: Path) -> History:
    """The run of a task with a setting, done now if it was not."""
    spec = RunSpec(
        task=_source(name, data),
        model=ModelSpec(DEFAULT),
        proposers=(SETTINGS[setting],),
        selectors=(),
        layouts=False,
        budget=Budget(calls=CALLS, seconds=SECONDS),
    )
    task = plain(load(spec.task))
    runner.check(spec, task)
    label = f"greater-{name}-{setting}".replace("/", "-").replace(", ", "-").replace(" ", "_").lower()
    folder = runs.named(results, label, spec)
    if folder.history().finished is None:
        print(f"{name}, {setting}")
        with folder.locked(), runner.connected(spec, Lines().waiting) as models:
            runner.go_on(folder, task, models)
    return folder.history()


def _head() -> str:
    return (
        f"# Instructions by gradients\n\n{DEFAULT}, {EXEMPLARS} fixed exemplars, the seed instruction "
        f"“{SEED}”, at most {CALLS} calls (those of the sealed test included) and "
        f"{words.duration(SECONDS)} a run. Differences are paired, with 95 % intervals, "
        "on the sealed test.\n\n"
        "| task | proposer | seed | winner | difference | prompts | calls | time |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |"
    )


def _row(name: str, setting: str, history: History) -> str:
    tested = history.tested
    told = ("–", "–", "–")
    if tested is not None:
        told = (
            words.percent(tested.seed),
            words.percent(tested.score),
            words.points(tested.difference),
        )
    calls = history.total.calls
    cells = (
        name,
        setting,
        *told,
        str(len(history.candidates)),
        str(calls),
        words.duration(history.seconds),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
