"""`apo run` as it is by default, against what takes no search and against plain exemplar search.

Rivals show five exemplars as chat turns under the task's own instruction: drawn at random (the mean of
five draws), or the best of 40 such draws on 50 dev rows (Wan et al. 2024, exemplar random search). All
are scored on the same sealed test rows. `apo run` pays its sealed test out of its calls; the rivals'
test rows are not counted against them.

Other tools were run on two of the tasks with the same model (one seed, 100 test rows). The best of them is
met with no more calls: theirs, and those of apo's sealed test, since their test rows were not counted.

    python -m tests.benchmarks.rivals DATA_DIR [TASK ...]

What was measured is kept beside the table, so a script that was stopped goes on where it was.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import fmean

import msgspec

from apo.backends import Backend
from apo.candidate import Candidate
from apo.connection import connect
from apo.evaluation import Evaluator
from apo.files import write_private
from apo.forecasting import test_calls
from apo.history import History
from apo.loading import load_task
from apo.progress import Lines
from apo.prompt import Prompt
from apo.seeding import rng
from apo.spec import DEFAULT_MODEL, ModelSpec
from apo.statistics import Interval, mean_interval, paired_difference
from apo.store.runs import find
from apo.task import Example, Task, as_exemplars
from tests.benchmarks.page import public_data

FAMILY = "instruction_induction"
TASKS = (
    f"{FAMILY}/sentiment",
    f"{FAMILY}/active_to_passive",
    f"{FAMILY}/first_word_letter",
    f"{FAMILY}/second_word_letter",
    f"{FAMILY}/singular_to_plural",
    "bbh/boolean_expressions",
)
SEEDS = (0, 1, 2)
CALLS = 2000
SHOWN, DRAWS, SETS, ROWS = 5, 5, 40, 50
"""Exemplars of a rival; draws that a mean is taken of; sets that a search compares, on so many dev rows."""
SEARCHED, DRAWN, FOUND = "exemplar random search", "random exemplars", "apo"
MATCHED = "apo with fewer calls"
ARMS = (DRAWN, SEARCHED, FOUND)
ABLEST = {f"{FAMILY}/active_to_passive": (0.82, 2000), f"{FAMILY}/first_word_letter": (0.93, 843)}
"""What the best of the other tools reached, and with how many calls besides those of its test."""
KEPT = Path("results/benchmarks/rivals.json")
OUTPUT = KEPT.with_suffix(".md")


@dataclass
class Measured:
    """Scores on a task's test rows."""

    scores: dict[str, dict[int, dict[str, float]]] = field(default_factory=dict)
    """By arm, seed and row id; of the drawn exemplars the mean over the draws."""

    @property
    def seeds(self) -> list[int]:
        """Those that every arm has been measured with."""
        return [seed for seed in SEEDS if all(seed in self.scores.get(arm, {}) for arm in ARMS)]


def scores(
    backend: Backend, task: Task, prompts: Sequence[Prompt], rows: Sequence[Example]
) -> list[dict[str, float]]:
    """For each prompt its score on each row."""
    candidates = [Candidate(str(number), prompt) for number, prompt in enumerate(prompts)]
    found: list[dict[str, float]] = [{} for _ in prompts]
    evaluator = Evaluator(backend, task.scorer, task.decoding)
    for chunk in evaluator.evaluate((c, row) for c in candidates for row in rows):
        for one in chunk:
            if one.score is None:
                raise SystemExit(f"{task.name}, row {one.example}: {one.failure}")
            found[int(one.candidate)][one.example] = one.score.value
    return found


def draws(task: Task, seed: int, purpose: str, count: int) -> list[Prompt]:
    """The seed prompt with so many draws of exemplars."""
    source = rng(seed, 0, f"rivals {purpose}")
    pool = as_exemplars(task.train)
    return [Prompt(task.seed.instruction, tuple(source.sample(pool, SHOWN))) for _ in range(count)]


def random_exemplars(backend: Backend, task: Task, seed: int) -> dict[str, float]:
    """The mean over draws, by test row."""
    found = scores(backend, task, draws(task, seed, "draws", DRAWS), task.test)
    return {row.id: fmean(one[row.id] for one in found) for row in task.test}


def random_search(backend: Backend, task: Task, seed: int) -> dict[str, float]:
    """What the best of many sets on the first dev rows scores on the test rows; the first of equal ones."""
    sets = draws(task, seed, "sets", SETS)
    met = scores(backend, task, sets, task.dev[:ROWS])
    best = max(range(SETS), key=lambda number: sum(met[number].values()))
    return scores(backend, task, [sets[best]], task.test)[0]


def search(name: str, data: Path, seed: int, calls: int) -> dict[str, float]:
    """A default run's winner on the test rows, as the run itself scored it."""
    apo = str(Path(sys.executable).with_name("apo"))
    with tempfile.TemporaryDirectory() as results:
        asked = ["--data-dir", str(data), "--calls", str(calls), "--seed", str(seed), "--results", results]
        subprocess.run([apo, "run", name, *asked], check=True, stdout=subprocess.DEVNULL)
        return tested(find(Path(results), "last").history())


def tested(history: History) -> dict[str, float]:
    """The winner's score on each sealed row."""
    best = history.best()
    if best is None:
        raise SystemExit("A run ended without a winner.")
    answered = history.test_evaluations(best.id)
    return {row: one.score.value for row, one in answered.items() if one.score is not None}


def measured(arm: str, backend: Backend, task: Task, data: Path, seed: int) -> dict[str, float]:
    """An arm's score on each test row."""
    if arm == DRAWN:
        return random_exemplars(backend, task, seed)
    if arm == SEARCHED:
        return random_search(backend, task, seed)
    fewer = arm == MATCHED
    return search(task.name, data, seed, ABLEST[task.name][1] + test_calls(task) if fewer else CALLS)


def arms_of(name: str) -> tuple[str, ...]:
    """What a task is measured with; a search that takes no more calls than the ablest tool is none anew."""
    fewer = name in ABLEST and ABLEST[name][1] < CALLS
    return (*ARMS, MATCHED) if fewer else ARMS


def mean(found: Measured, arm: str) -> dict[str, float]:
    """By test row the mean over the seeds; a row that failed with one of them counts by the others."""
    each = [found.scores[arm][seed] for seed in found.seeds]
    return {row: fmean(one[row] for one in each if row in one) for row in each[0]}


def line(name: str, found: Measured) -> str:
    """A task's line of the table."""
    arms = {arm: mean(found, arm) for arm in ARMS}
    cells = [percent(mean_interval(list(theirs.values()))) for theirs in arms.values()]
    for rival in (DRAWN, SEARCHED):
        cells.append(points(paired_difference(arms[FOUND], arms[rival])))
    each = ", ".join(f"{100 * fmean(found.scores[FOUND][seed].values()):.0f}" for seed in found.seeds)
    return " | ".join(["", name, *cells, each, ""]).strip()


def matched(name: str, found: Measured) -> str:
    """A task's line of the table of other tools; of `apo` as it is where that takes no more calls."""
    theirs, calls = ABLEST[name]
    kept = found.scores.get(arms_of(name)[-1], {})
    each = ", ".join(f"{100 * fmean(one.values()):.0f}" for one in kept.values())
    ours = f"{100 * fmean(fmean(one.values()) for one in kept.values()):.1f}" if kept else ""
    return f"| {name} | {100 * theirs:.0f} in {calls} | {ours} | {each} |"


def percent(value: Interval) -> str:
    """A share in percent with its interval."""
    return f"{100 * value.mean:.1f} ({100 * value.low:.1f} to {100 * value.high:.1f})"


def points(value: Interval) -> str:
    """A difference in points with its interval."""
    return f"{100 * value.mean:+.1f} ({100 * value.low:+.1f} to {100 * value.high:+.1f})"


def page(kept: Mapping[str, Measured]) -> str:
    """The page, of the seeds that are measured."""
    title, _, about = (__doc__ or "").partition("\n\n")
    whole = {name: one for name, one in kept.items() if one.seeds}
    means = [{arm: fmean(mean(one, arm).values()) for arm in ARMS} for one in whole.values()]
    gains = [
        f"{100 * fmean(one[FOUND] - one[rival] for one in means):+.1f}" if means else ""
        for rival in (DRAWN, SEARCHED)
    ]
    return "\n".join(
        [
            "# Rivals",
            "",
            title,
            "",
            about.split("    python")[0].strip(),
            "",
            f"Mean over {len(SEEDS)} seeds, or those listed if fewer, in percent of the test rows; {CALLS} "
            "calls. Differences are in points, paired by row, with bootstrap intervals over the rows.",
            "",
            f"| task | {DRAWN} | {SEARCHED} | {FOUND} | {FOUND} − drawn | {FOUND} − searched | "
            f"{FOUND}, each seed |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
            *(line(name, one) for name, one in whole.items()),
            f"| mean | | | | {gains[0]} | {gains[1]} | |",
            "",
            "| task | best of other tools, in so many calls | apo in no more | each seed |",
            "| --- | ---: | ---: | ---: |",
            *(matched(name, whole[name]) for name in ABLEST if name in whole),
            "",
        ]
    )


def main() -> None:
    """Measure what is missing, task by task, and write the table after each run."""
    data = public_data()
    kept = msgspec.json.decode(KEPT.read_bytes(), type=dict[str, Measured]) if KEPT.is_file() else {}
    with connect(ModelSpec(DEFAULT_MODEL), Lines().waiting) as link:
        tasks = {name: load_task(name, data) for name in sys.argv[2:] or TASKS}
        for seed, name, arm in [(s, n, a) for s, n in product(SEEDS, tasks) for a in arms_of(n)]:
            theirs = kept.setdefault(name, Measured()).scores.setdefault(arm, {})
            if seed not in theirs:
                theirs[seed] = measured(arm, link.backend, tasks[name], data, seed)
                print(f"{name}, seed {seed}, {arm}: {fmean(theirs[seed].values()):.3f}", flush=True)
                write_private(KEPT, msgspec.json.encode(kept))
                OUTPUT.write_text(page(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
