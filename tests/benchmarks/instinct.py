"""INSTINCT's neural bandit against a GP and uniform arms in real runs: same arms, rows and calls.

The 135M model is white box and task model. Every run has the same 1,000 soft prompts as arms, plays 165 of
them on the same 20 dev rows each, moves nothing but the instruction in front of the same exemplars, and ends
with seed and winner on the sealed test. Finished runs are kept, so a script that was stopped goes on:

    python -m tests.benchmarks.instinct DATA_DIR [RESULTS]
"""

import sys
from itertools import product
from pathlib import Path

from apo import words
from apo.budget import Budget
from apo.calibration import calibration
from apo.history import History
from apo.progress import Lines
from apo.serving.command import Options
from apo.serving.server import serve
from apo.serving.weights import DEFAULT
from apo.spec import ModelSpec, RunSpec, TaskSource
from tests.benchmarks.alone import EXEMPLARS, SEED, alone, header, row
from tests.benchmarks.page import public_data, publish

TASKS = ("instruction_induction/sentiment", "instruction_induction/first_word_letter")
SETTINGS = {
    "INSTINCT": "instinct",
    "GP (as InstructZero)": "instinct:strategy=gp",
    "uniform arms": "instinct:strategy=uniform",
}
QUERIES, ROWS, TEST = 165, 20, 100
SIZES = (("train", 60), ("dev", ROWS), ("test", TEST))
OUTPUT = Path("results/benchmarks/instinct.md")


def main() -> None:
    """Do the runs that are not done; the table is written anew after each."""
    data = public_data()
    results = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("results")
    # Holding the lease keeps one server for all runs.
    with serve(DEFAULT, Options(), Lines().waiting):
        rows, beliefs = list[str](), list[str]()
        for name, (setting, proposer) in product(TASKS, SETTINGS.items()):
            history = _run(name, setting, proposer, data, results)
            rows.append(row(name, setting, history))
            beliefs += _belief(name, setting, history)
            publish(OUTPUT, "\n".join([_head(), *rows, _told(), *beliefs, ""]))


def _run(name: str, setting: str, proposer: str, data: Path, results: Path) -> History:
    """A task's run with a setting, done now if it was not."""
    spec = RunSpec(
        task=TaskSource(name, data_dir=str(data), sizes=dict(SIZES)),
        model=ModelSpec(DEFAULT),
        proposers=(proposer,),
        scheduler="full",
        budget=Budget(calls=(QUERIES + 1) * ROWS + 2 * TEST),
    )
    return alone(f"instinct {name} {setting}", spec, results)


def _belief(name: str, setting: str, history: History) -> list[str]:
    """The line that tells how well a run's arms were foreseen, of those who foresee."""
    found = calibration(history)
    if found.within is None:
        return []
    cells = (
        name,
        setting,
        str(len(found.pairs)),
        f"{found.within:+.2f} (p = {found.chance:.2f})",
        words.percent(found.coverage),
        f"{100 * found.error:.1f}",
    )
    return [f"| {' | '.join(cells)} |"]


def _told() -> str:
    columns = ("task", "proposer", "arms", "rank correlation within steps", "in their 95 % intervals")
    return (
        "\nWhat was believed of arms before they were played, against what was measured:\n\n"
        f"| {' | '.join(columns)} | error (points) |\n|{' --- |' * (len(columns) + 1)}"
    )


def _head() -> str:
    return (
        f"# INSTINCT in real runs\n\n{DEFAULT} as white box and task model, {EXEMPLARS} fixed exemplars, the "
        f"seed instruction “{SEED}”, {QUERIES} arms on {ROWS} dev rows each. Differences are paired, with "
        f"95 % intervals, on a sealed test of {TEST} rows.\n\n{header()}"
    )


if __name__ == "__main__":
    main()
