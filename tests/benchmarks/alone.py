"""Runs in which one proposer works alone: nothing but the instruction moves, in front of fixed exemplars."""

import re
from dataclasses import replace
from pathlib import Path

from apo import runner, words
from apo.exemplars._draw import draw
from apo.history import History
from apo.loading import load
from apo.progress import Lines
from apo.prompt import Layout, Prompt
from apo.seeding import rng
from apo.spec import RunSpec
from apo.store import runs
from apo.task import Task, as_exemplars

EXEMPLARS = 3
SEED = "Answer the question."
COLUMNS = "task | proposer | random seed | seed prompt | winner | difference | prompts | calls | time"


def plain(task: Task) -> Task:
    """The task with an instruction that says nothing of it, behind a few exemplars that stay.

    There, as GReaTer has it, only what follows the exemplars is computed anew for each change.
    """
    pool = as_exemplars(task.train)
    shown = draw(pool, EXEMPLARS, rng(0, 0, "greater"), balanced=True)
    return replace(task, seed=Prompt(SEED, shown, Layout("fields", "last")))


def alone(label: str, spec: RunSpec, results: Path) -> History:
    """The run of the plain task with one proposer, done now if it was not."""
    spec = replace(spec, selectors=(), layouts=False, cache=False)
    task = plain(load(spec.task))
    runner.check(spec, task)
    folder = runs.named(results, re.sub(r"\W+", "-", f"{label} {spec.seed}".lower()), spec)
    if folder.history().finished is None:
        print(f"{label}, seed {spec.seed}")
        with folder.locked(), runner.connected(spec, Lines().waiting) as models:
            runner.go_on(folder, task, models)
    return folder.history()


def header() -> str:
    """The table's head."""
    return f"| {COLUMNS} |\n|{' --- |' * (COLUMNS.count('|') + 1)}"


def row(name: str, setting: str, history: History) -> str:
    """A run as a line of the table."""
    tested = history.tested
    told = ("–", "–", "–")
    if tested is not None:
        told = (
            words.percent(tested.seed),
            words.percent(tested.score),
            words.points(tested.difference),
        )
    cells = (
        name,
        setting,
        str(history.spec.seed),
        *told,
        str(len(history.candidates)),
        str(history.total.calls),
        words.duration(history.seconds),
    )
    return f"| {' | '.join(cells)} |"
