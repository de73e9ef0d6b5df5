"""Work out the value of an expression of True, False, and, or, not and brackets.

{
  "id": "boolean_expressions-001",
  "input": "False or False or not False and True and False",
  "target": "False"
}
"""

from random import Random

from apo.scorers import Choice
from apo.task import Task
from tasks._generate import generated_task

DEPTH = 2


def load() -> Task:
    """The task; its rows are generated and always the same."""
    return generated_task(
        name="boolean_expressions",
        description="Work out the value of an expression of True, False, and, or, not.",
        instruction="Evaluate the Boolean expression. Answer with True or False.",
        scorer=Choice(("True", "False")),
        draw=_draw,
        max_tokens=16,
    )


def _draw(random: Random) -> tuple[str, str]:
    """An expression with three operators or more; either value is equally likely."""
    wanted = random.random() < 0.5
    while True:
        text, value = _any_of(random, DEPTH)
        operators = sum(word in ("and", "or", "not") for word in text.split())
        if value == wanted and 3 <= operators <= 8:
            return text, str(value)


def _any_of(random: Random, depth: int) -> tuple[str, bool]:
    parts = [_all_of(random, depth) for _ in range(random.choice((1, 2, 2, 3)))]
    return " or ".join(text for text, _ in parts), any(value for _, value in parts)


def _all_of(random: Random, depth: int) -> tuple[str, bool]:
    parts = [_negated(random, depth) for _ in range(random.choice((1, 1, 2, 3)))]
    return " and ".join(text for text, _ in parts), all(value for _, value in parts)


def _negated(random: Random, depth: int) -> tuple[str, bool]:
    nots = random.choice((0, 0, 0, 1, 1, 2))
    text, value = _operand(random, depth)
    return "not " * nots + text, value != (nots == 1)


def _operand(random: Random, depth: int) -> tuple[str, bool]:
    if depth > 0 and random.random() < 0.35:
        text, value = _any_of(random, depth - 1)
        return f"( {text} )", value
    value = random.random() < 0.5
    return str(value), value
