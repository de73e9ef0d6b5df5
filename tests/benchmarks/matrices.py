"""Measure once what every policy can then be tried on: all prompts of a pool on all rows of a task.

For each task five instructions times twenty-four exemplar lists (twelve draws of 1 to 12 exemplars, each
in two orders) meet 100 dev and 100 test rows on a real server. Prompts that are complete are kept, so a
script that was stopped goes on where it was. Only ids, our own instructions and outcomes are written, no
text of the data: `tests.benchmarks.matrix` puts the prompts together again where the data are at hand.

    python -m tests.benchmarks.matrices DATA_DIR [TASK ...]
"""

import sys
from collections.abc import Iterator
from itertools import product
from random import Random

from apo.backends import Backend
from apo.candidate import Candidate
from apo.connection import connect
from apo.evaluation import Evaluator
from apo.progress import Lines
from apo.prompt import Layout
from apo.spec import DEFAULT_MODEL, Identity, ModelSpec
from apo.task import Task
from tests.benchmarks.matrix import Matrix, load, path, read, write
from tests.benchmarks.page import public_data

SIZES = (1, 2, 3, 5, 8, 12)
DRAWS, ORDERS = 2, 2
"""Draws of each size, and orders of each draw."""
LAYOUT = Layout("fields")
INSTRUCTIONS = {
    "instruction_induction/sentiment": (
        "Is this phrase from a film review positive or negative? Answer with one word.",
        "positive or negative",
        "Decide what the critic felt about the film.",
        "Read the remark and classify its mood. Praise is positive, blame is negative.",
        "You are a careful reader. Answer the question exactly as in the examples.",
    ),
    "instruction_induction/second_word_letter": (
        "Write the second letter of the word.",
        "second letter",
        "Skip the first letter of the word and write down the one that follows it.",
        "Which character stands at position two? Answer with this character alone.",
        "You are a careful reader. Answer the question exactly as in the examples.",
    ),
    "instruction_induction/singular_to_plural": (
        "Write the plural of the noun.",
        "singular to plural",
        "Suppose that there are several of it. How is the word then written?",
        "Answer with the form of the word that follows the number two.",
        "You are a careful reader. Answer the question exactly as in the examples.",
    ),
    "instruction_induction/active_to_passive": (
        "Rewrite the sentence in the passive voice.",
        "active to passive",
        "Turn the object of the sentence into its subject and keep the meaning.",
        "Say by whom it was done: begin with what it was done to.",
        "You are a careful reader. Answer the question exactly as in the examples.",
    ),
}


def lists(task: Task, rng: Random) -> list[tuple[str, ...]]:
    """Exemplar lists as ids of train rows: each draw is followed by its other orders.

    One exemplar has no other order; another one stands in its place.
    """
    found: list[tuple[str, ...]] = []
    for size, _ in product(SIZES, range(DRAWS)):
        ids = [row.id for row in rng.sample(task.train, size)]
        found.append(tuple(ids))
        for _ in range(ORDERS - 1):
            found.append(tuple(rng.sample(ids, size)))
    for place, known in enumerate(found):
        while found.index(found[place]) < place:
            found[place] = tuple(row.id for row in rng.sample(task.train, len(known)))
    return found


def begin(name: str, task: Task, server: Identity) -> Matrix:
    """The matrix of a task as far as it was measured, or an empty one."""
    if path(name).is_file():
        kept = read(name)
        if kept.fingerprint != task.fingerprint:
            raise SystemExit(f"{path(name)} was measured on other rows ({kept.fingerprint}); move it away.")
        return kept
    return Matrix(
        task=name,
        fingerprint=task.fingerprint,
        model={"name": server.model, "engine": server.engine, "weights": server.weights},
        layout=LAYOUT,
        instructions=INSTRUCTIONS[name],
        exemplars=tuple(lists(task, Random(f"replay {name}"))),
        dev=tuple(row.id for row in task.dev),
        test=tuple(row.id for row in task.test),
    )


def measure(matrix: Matrix, task: Task, backend: Backend) -> Iterator[Matrix]:
    """The matrix after each further prompt that is complete."""
    evaluator = Evaluator(backend, task.scorer, task.decoding)
    rows = (*task.dev, *task.test)
    missing = [name for name in matrix.names if name not in matrix.outcomes]
    candidates = [Candidate(name, matrix.prompt(name, task)) for name in missing]
    found: dict[str, dict[str, str]] = {name: {} for name in missing}
    for chunk in evaluator.evaluate((c, row) for c in candidates for row in rows):
        for one in chunk:
            if one.score is None or one.score.value not in (0.0, 1.0):
                raise SystemExit(f"{one.candidate} on {one.example}: {one.failure or one.score}")
            found[one.candidate][one.example] = str(int(one.score.value))
        for name in [name for name, outcomes in found.items() if len(outcomes) == len(rows)]:
            outcomes = found.pop(name)
            matrix.outcomes[name] = "".join(outcomes[row.id] for row in rows)
            yield matrix


def main() -> None:
    """Measure the tasks one after the other."""
    data = public_data()
    with connect(ModelSpec(DEFAULT_MODEL), Lines().waiting) as link:
        for name in sys.argv[2:] or INSTRUCTIONS:
            task = load(name, data)
            for matrix in measure(begin(name, task, link.identity), task, link.backend):
                write(matrix)
                print(f"{name}: {len(matrix.outcomes)} of {len(matrix.names)} prompts", flush=True)


if __name__ == "__main__":
    main()
