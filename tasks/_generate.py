"""What the generated tasks share: drawing distinct rows and making a Task of them."""

from collections.abc import Callable
from random import Random

from apo.prompt import Prompt
from apo.seeding import rng
from apo.task import Decoding, Example, Scorer, Sizes, Task, split

ROWS = 300
SIZES = Sizes(train=80, dev=100, test=120)

Draw = Callable[[Random], tuple[str, str]]
"""Draws one row: its input and its target."""


def distinct_rows(name: str, draw: Draw) -> tuple[Example, ...]:
    """The rows of a task, no two with the same input; the same name gives the same rows."""
    random = rng(0, 0, f"tasks/{name}")
    drawn: dict[str, str] = {}
    while len(drawn) < ROWS:
        text, target = draw(random)
        drawn.setdefault(text, target)
    return tuple(
        Example(f"{name}-{number:03}", text, target) for number, (text, target) in enumerate(drawn.items(), 1)
    )


def generated_task(
    name: str, description: str, instruction: str, scorer: Scorer, draw: Draw, max_tokens: int
) -> Task:
    """A task whose rows are drawn by `draw`."""
    train, dev, test = split(distinct_rows(name, draw), SIZES)
    return Task(
        name=name,
        description=description,
        seed=Prompt(instruction),
        scorer=scorer,
        train=train,
        dev=dev,
        test=test,
        decoding=Decoding(max_tokens),
    )
