"""Whom proposers learn from: the best candidates that differ."""

from collections.abc import Callable, Hashable

from apo.candidate import Candidate
from apo.prompt import Prompt
from apo.view import SearchView


def instruction(prompt: Prompt) -> str:
    """The trait that most proposers tell candidates apart by."""
    return prompt.instruction


def best_of_each(
    view: SearchView, count: int, trait: Callable[[Prompt], Hashable] = instruction
) -> list[Candidate]:
    """The best scored candidate of each trait, the best first, up to `count`; none without an instruction."""
    found: dict[Hashable, Candidate] = {}
    for candidate in view.in_order():
        if len(found) == count:
            break
        if candidate.prompt.instruction.strip():
            found.setdefault(trait(candidate.prompt), candidate)
    return list(found.values())
