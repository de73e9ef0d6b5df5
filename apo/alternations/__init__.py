"""Whose turn it is: layout, exemplars or instruction, and which component plays it.

A prompt's sides take turns, since what is best for one depends on the others (Wan et al. 2024 find
that both instruction and exemplars beat either alone).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from apo.candidate import Side
from apo.credit import credit
from apo.history import History
from apo.orders import HUMAN, PROMOTED

Arm = tuple[Side, str]
"""A component, `name:options`, with the side that it moves."""
OPENING_SIZE = 16
"""Exemplars that the opening shows: about what winners have, since which layout is best depends on it."""
OPENING_LISTS = 4
"""Lists of the opening. With a single one that happens to be bad, layouts were compared without exemplars."""
WIDTHS: dict[Side, int] = {"layout": 12, "exemplars": 32, "instruction": 8}
"""Candidates of a step where the budget allows them. Exemplar lists cost nothing to propose."""
TRIES = 4
"""Turns that may bring nothing, one after the other, where a turn is a look into weights."""


@dataclass(frozen=True, slots=True)
class Move:
    """One side moved by one component, `name:options`."""

    side: Side | None
    """None: what people asked for."""
    component: str
    width: int
    """How many candidates to try."""
    pool: str = ""
    """Id of the candidate whose own outputs the exemplars are chosen from; empty: from all there are."""


class Alternation(Protocol):
    """Says which side moves next and who plays; a frozen dataclass whose fields are its options."""

    def next_move(self, history: History) -> Move | None:
        """The next move, a function of the history alone; None if there is nothing left to try.

        Asked between steps. Plays components of `history.spec` that are not exhausted (`arms` lists
        them), or the opening's. What people asked for is not its business: that goes first.
        """
        ...


def turn(alternation: Alternation, history: History) -> Move | None:
    """The next move of a run: what people asked for, or else what the alternation says."""
    orders = history.orders
    if orders.added:
        return Move(None, HUMAN, len(orders.added))
    if orders.promoted:
        return Move(None, PROMOTED, 0)
    return alternation.next_move(history)


def arms(history: History) -> list[Arm]:
    """The components that can be played, in the order of first turns: layout, exemplars, instruction."""
    spec = history.spec
    named: list[Arm] = [("layout", "layout")] if spec.layouts else []
    named += [("exemplars", name) for name in spec.selectors]
    named += [("instruction", name) for name in spec.proposers]
    return [arm for arm in named if not _exhausted(history, arm[1])]


def _exhausted(history: History, component: str) -> bool:
    """Whether a component's last turn took no call and gave nothing, and nothing has changed since.

    A turn that takes calls ends with the budget; one that takes none would be taken for ever. One that looks
    into weights, at a few examples and places of a prompt, may find something the next time: it has TRIES.
    """
    barren = 0
    for step in reversed(history.steps):
        if step.gain > 0:
            return False
        if step.component == component and step.finished:
            if step.calls:
                return False
            barren += 1
            if barren == (TRIES if step.read else 1):
                return True
    return False


def opening(history: History, able: Iterable[Arm], size: int = OPENING_SIZE) -> Move | None:
    """A few plain random lists, then layouts compared with the best one; None once both had their turn.

    It is split in two so that the report can say what came from showing exemplars at all. Without layouts
    there is no opening: nothing would be compared with plain lists before many others are.
    """
    moved = {step.side for step in history.steps}
    sides = {side for side, _ in able}
    if {"exemplars", "layout"} <= sides and "exemplars" not in moved:
        return Move("exemplars", f"uniform:size={min(size, history.spec.max_exemplars)}", OPENING_LISTS)
    if "layout" in sides - moved:
        return Move("layout", "layout", WIDTHS["layout"])
    return None


def richest(history: History, able: Iterable[Arm]) -> Move:
    """The move of the component with the most credit; of equal ones the first."""
    side, component = max(able, key=lambda arm: credit(history, arm[1]))
    return Move(side, component, WIDTHS[side])
