"""Drawing exemplar lists from a pool; shared by the selectors."""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from apo.candidate import Candidate
from apo.prompt import Exemplar
from apo.view import SearchView

SIZES = (1, 2, 3, 5, 8, 12, 16, 24, 32)
"""Numbers of exemplars to draw from: nearly geometric, since one more matters less and less."""


def sizes(view: SearchView, rows: int) -> list[int]:
    """Those of SIZES that the run allows and so many rows can fill; none where it allows no exemplar."""
    return [size for size in SIZES if size <= min(view.max_exemplars, rows)]


def one_a_row(pool: Sequence[Exemplar], rng: Random) -> list[Exemplar]:
    """The pool in random order, each row of data in one random wording."""
    shuffled = list(pool)
    rng.shuffle(shuffled)
    return list({e.row: e for e in shuffled}.values())


def draw(pool: Sequence[Exemplar], size: int, rng: Random, *, balanced: bool) -> tuple[Exemplar, ...]:
    """`size` distinct rows of the pool in random order, fewer where it is small.

    Balanced draws take answers in turn, so that a closed task shows all its labels; where answers
    hardly repeat, both ways are the same.
    """
    rows = one_a_row(pool, rng)
    if not balanced:
        return tuple(rows[:size])
    by_answer: dict[str, list[Exemplar]] = defaultdict(list)
    for exemplar in rows:
        by_answer[exemplar.output].append(exemplar)
    in_turn = sorted(
        (place, turn) for turn, group in enumerate(by_answer.values()) for place in range(len(group))
    )
    groups = list(by_answer.values())
    chosen = [groups[turn][place] for place, turn in in_turn[:size]]
    rng.shuffle(chosen)
    return tuple(chosen)


def drawn(
    view: SearchView, parent: Candidate, pool: Sequence[Exemplar], count: int, rng: Random, *, balanced: bool
) -> list[tuple[Exemplar, ...]]:
    """`count` independent draws that fit the context.

    Sizes are drawn with a weight of their square root, that of none with 1: more exemplars are mostly
    better, but not for every task, and seldom in proportion.
    """
    numbers = [0, *sizes(view, len(pool))]
    chosen = rng.choices(numbers, [math.sqrt(max(1, number)) for number in numbers], k=count)
    return [fitting(view, parent, draw(pool, size, rng, balanced=balanced)) for size in chosen]


def fitting(view: SearchView, parent: Candidate, exemplars: tuple[Exemplar, ...]) -> tuple[Exemplar, ...]:
    """The exemplars, cut from the end until the prompt fits the context."""

    def too_long(first: int) -> bool:
        return not view.fits(replace(parent.prompt, exemplars=exemplars[:first], nearest=None))

    return exemplars[: bisect_left(range(1, len(exemplars) + 1), True, key=too_long)]
