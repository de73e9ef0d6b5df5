"""GReaTer and GSPO against APE and ProTeGi on public data: same model, exemplars, plain seed and calls.

Every run begins with the same instruction and the same exemplars, moves nothing but the instruction, and
ends with seed and winner on the sealed test. Finished runs are kept, so a script that was stopped goes on:

    python -m tests.benchmarks.greater DATA_DIR [RESULTS]
"""

import sys
from itertools import product
from pathlib import Path

from apo import words
from apo.backends.openai import OpenAI
from apo.budget import Budget
from apo.loading import load
from apo.progress import Lines
from apo.serving.command import Options
from apo.serving.server import serve
from apo.serving.weights import DEFAULT
from apo.spec import ModelSpec, RunSpec, TaskSource, WhiteBoxSpec
from apo.whitebox.loading import open_model
from tests.benchmarks.alone import EXEMPLARS, SEED, alone, header, row
from tests.benchmarks.greater_step import TASK as STEP
from tests.benchmarks.greater_step import measured, thinking
from tests.benchmarks.page import public_data, publish

TASKS = (
    "instruction_induction/sentiment",
    "instruction_induction/active_to_passive",
    "instruction_induction/first_word_letter",
)
SIZES = (("train", 60), ("dev", 50), ("test", 100))
DEFAULTS = {"GReaTer": "greater", "GReaTer, with forward check": "greater:check=loss"}
"""What could be GReaTer's default; with each of `SEEDS`."""
RIVALS = {
    "GReaTer, as released": "greater:candidates=union,check=errors,temperature=0.2,normalise=true",
    "GSPO": "segments",
    "APE": "induction",
    "ProTeGi": "reflection",
}
SEEDS = (0, 1)
ABLATIONS = {
    "GReaTer, tokens at random": "greater:rank=random",
    "GReaTer, with forward check, shortlist at random": "greater:check=loss,rank=random",
    "GReaTer, with forward check and reasoning": "greater:check=loss,reasoning=64",
    "GSPO, no gradient": "segments:gradient=false",
}
"""On the first task alone. Answers are short there, so that GReaTer by itself does without reasoning."""
CALLS = 1000
SECONDS = 3 * 60.0
"""Of a run: what looks into weights is bound by time, what asks a model by calls."""
OUTPUT = Path("results/benchmarks/greater.md")


def main() -> None:
    """Do the runs that are not done, measure a step, and write the tables."""
    data = public_data()
    results = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("results")
    # Holding the lease keeps one server for all runs.
    with serve(DEFAULT, Options(), Lines().waiting) as server:
        asked = [
            *product(TASKS, SEEDS, DEFAULTS.items()),
            *product(TASKS, SEEDS[:1], RIVALS.items()),
            *product(TASKS[:1], SEEDS[:1], ABLATIONS.items()),
        ]
        asked.sort(key=lambda one: TASKS.index(one[0]))
        rows = [
            _run(name, setting, proposer, seed, data, results) for name, seed, (setting, proposer) in asked
        ]
        backend = OpenAI(base_url=server.base_url, api_key=server.api_key, model=server.model)
        opened = open_model(WhiteBoxSpec(), DEFAULT, Lines().waiting)
        step = measured(thinking(load(TaskSource(STEP, data_dir=str(data)))), opened, backend)
        backend.close()
    text = "\n".join([_head(), *rows, "", step])
    publish(OUTPUT, text)


def _run(name: str, setting: str, proposer: str, seed: int, data: Path, results: Path) -> str:
    """The line of a task's run with a setting and a seed, done now if it was not."""
    spec = RunSpec(
        task=TaskSource(name, data_dir=str(data), sizes=dict(SIZES)),
        model=ModelSpec(DEFAULT),
        proposers=(proposer,),
        budget=Budget(calls=CALLS, seconds=SECONDS),
        seed=seed,
    )
    return row(name, setting, alone(f"greater {name} {setting}", spec, results))


def _head() -> str:
    return (
        f"# Instructions by gradients\n\n{DEFAULT}, {EXEMPLARS} fixed exemplars, the seed instruction "
        f"“{SEED}”, at most {CALLS} calls (those of the sealed test included) and "
        f"{words.duration(SECONDS)} a run. Differences are paired, with 95 % intervals, "
        f"on the sealed test.\n\n{header()}"
    )


if __name__ == "__main__":
    main()
