"""Whose turn it is: layout, exemplars or instruction, and which component plays it.

A prompt's sides take turns, since what is best for one depends on the others (Wan et al. 2024 find
that both instruction and exemplars beat either alone). The opening shows plain random exemplars and
then compares layouts with them; after every side has had its turn, the turn goes to the component
whose evaluations have paid most. The rule is ours; it is a function of the history alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from apo.candidate import Side
from apo.history import History
from apo.orders import HUMAN, PROMOTED
from apo.spec import RunSpec

PRIOR_GAIN, PRIOR_CALLS = 0.05, 100.0
"""What an untried component is believed to earn: optimistic, so that each gets its try."""
DECAY = 0.5
"""Weight of a component's turn against its next one: gains dry up, so old ones say less."""
PATIENCE = 5
"""Steps after which a side that waited gets a turn whatever it has earned."""
OPENING_SIZE = 8
"""Exemplars that the opening shows."""


@dataclass(frozen=True, slots=True)
class Move:
    """One side moved by one component, `name:options`."""

    side: Side | None
    """None: what people asked for."""
    component: str
    width: int
    """How many candidates to try."""


WIDTHS: dict[Side, int] = {"layout": 12, "exemplars": 16, "instruction": 8}
"""Candidates of a step where the budget allows them. Exemplar lists cost nothing to propose."""


def next_move(history: History) -> Move | None:
    """The next move; None if there is nothing left to try. What people asked for goes first."""
    spec, orders = history.spec, history.orders
    if orders.added:
        return Move(None, HUMAN, len(orders.added))
    if orders.promoted:
        return Move(None, PROMOTED, 0)
    played = [step for step in history.steps if step.side is not None]
    arms = [arm for arm in _arms(spec) if not _exhausted(history, arm[1])]
    if not arms:
        return None
    if not played and spec.selectors:
        return Move("exemplars", f"uniform:size={min(OPENING_SIZE, spec.max_exemplars)}", 1)
    components = {component for _, component in arms}
    seen = {step.side for step in played if step.component in components}
    waiting = [side for side in dict.fromkeys(side for side, _ in arms) if side not in seen]
    if not waiting:
        waiting = _starved(history, arms)
    turn = [arm for arm in arms if arm[0] == waiting[0]] if waiting else arms
    side, component = max(turn, key=lambda arm: credit(history, arm[1]))
    return Move(side, component, WIDTHS[side])


def _arms(spec: RunSpec) -> list[tuple[Side, str]]:
    """Every component with the side that it moves, in the order of first turns."""
    arms: list[tuple[Side, str]] = [("layout", "layout")] if spec.layouts else []
    arms += [("exemplars", name) for name in spec.selectors]
    arms += [("instruction", name) for name in spec.proposers]
    return arms


def _exhausted(history: History, component: str) -> bool:
    """Whether a component's last turn took no call and gave nothing, and nothing has changed since.

    A turn that takes calls ends with the budget; one that takes none would be taken for ever.
    """
    for step in reversed(history.steps):
        if step.gain > 0:
            return False
        if step.component == component and step.finished:
            return step.calls == 0
    return False


def _starved(history: History, arms: Sequence[tuple[Side, str]]) -> list[Side]:
    """Sides that none of the last PATIENCE steps has moved, the longest waiting first."""
    last = {step.side: step.number for step in history.steps}
    now = len(history.steps)
    sides = dict.fromkeys(side for side, _ in arms)
    waited = [(last.get(side, 0), side) for side in sides if now - last.get(side, 0) > PATIENCE]
    return [side for _, side in sorted(waited)]


def credit(history: History, component: str) -> float:
    """Gain per call that a component has earned, recent turns weighing more, shrunk to the prior."""
    gain, calls = PRIOR_GAIN, PRIOR_CALLS
    turns = [s for s in history.steps if s.component == component and s.finished]
    for age, step in enumerate(reversed(turns)):
        gain += DECAY**age * step.gain
        calls += DECAY**age * step.calls
    return gain / calls
