"""Drawing exemplar lists from a pool; shared by the selectors."""

from collections import defaultdict
from collections.abc import Sequence
from random import Random

from apo.candidate import Candidate
from apo.prompt import Exemplar, Prompt
from apo.view import SearchView


def draw(pool: Sequence[Exemplar], size: int, rng: Random, *, balanced: bool) -> tuple[Exemplar, ...]:
    """`size` distinct rows of the pool in random order, fewer where it is small.

    Balanced draws take answers in turn, so that a closed task shows all its labels; where answers
    hardly repeat, both ways are the same.
    """
    shuffled = list(pool)
    rng.shuffle(shuffled)
    one_a_row = list({e.source or e.input: e for e in shuffled}.values())
    if not balanced:
        return tuple(one_a_row[:size])
    by_answer: dict[str, list[Exemplar]] = defaultdict(list)
    for exemplar in one_a_row:
        by_answer[exemplar.output].append(exemplar)
    in_turn = sorted(
        (place, turn) for turn, group in enumerate(by_answer.values()) for place in range(len(group))
    )
    groups = list(by_answer.values())
    chosen = [groups[turn][place] for place, turn in in_turn[:size]]
    rng.shuffle(chosen)
    return tuple(chosen)


def fitting(view: SearchView, parent: Candidate, exemplars: tuple[Exemplar, ...]) -> tuple[Exemplar, ...]:
    """The exemplars, cut from the end until the prompt fits the context."""
    while exemplars:
        prompt = Prompt(parent.prompt.instruction, exemplars, parent.prompt.layout)
        if view.fits(prompt):
            break
        exemplars = exemplars[:-1]
    return exemplars
