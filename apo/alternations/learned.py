"""The turn goes to whoever has paid most per call, and no side starves.

The opening shows plain random lists and then compares layouts with the best one; after every side has had
its turn, credit decides. The rule is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from apo.alternations import OPENING_SIZE, Arm, Move, arms, opening, richest
from apo.candidate import Side
from apo.history import History


@dataclass(frozen=True)
class Learned:
    """Follows the gain per call that each component has earned; every side has a turn in `patience` steps."""

    patience: int = 5
    """Steps after which a side that waited gets a turn whatever it has earned."""
    opening: int = OPENING_SIZE
    """Exemplars that the opening shows."""

    def __post_init__(self) -> None:
        """Check the options."""
        for name, value in (("patience", self.patience), ("opening", self.opening)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")

    def next_move(self, history: History) -> Move | None:
        """The opening; then sides without a turn, sides that waited too long, and the most credit."""
        able = arms(history)
        if not able:
            return None
        first = opening(history, able, self.opening)
        if first is not None:
            return first
        side = self._due(history, able)
        return richest(history, [arm for arm in able if side in (None, arm[0])])

    def _due(self, history: History, able: Sequence[Arm]) -> Side | None:
        """The side that must be moved, if one must: first turns go first, then the longest wait."""
        components = {component for _, component in able}
        seen = {step.side for step in history.steps if step.component in components}
        sides = list(dict.fromkeys(side for side, _ in able))
        fresh = [side for side in sides if side not in seen]
        if fresh:
            return fresh[0]
        last = {step.side: step.number for step in history.steps}
        longest = min(sides, key=lambda side: (last.get(side, 0), side))
        return longest if len(history.steps) - last.get(longest, 0) > self.patience else None
