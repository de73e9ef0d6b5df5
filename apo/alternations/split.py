"""Fixed shares of the calls for each side (Wan et al. 2024, mix-and-match at an equal total budget).

The paper fixes the sum of evaluations of instructions and exemplars and varies how they are split.
Deviations: sides take turns instead of following one another, so the shares hold at any time; layouts
have a share too; calls of proposers count like those of the task model.
"""

from dataclasses import dataclass

from apo.alternations import Move, arms, opening, richest
from apo.candidate import Side
from apo.history import History


@dataclass(frozen=True)
class Split:
    """Gives each side a fixed share of the calls: instructions `instruction`, exemplars the rest."""

    instruction: float = 0.5
    """Share of the calls that do not go to layouts, in [0, 1]."""
    layout: float = 0.1
    """Share of all calls of the search, in [0, 1]. A side whose share is 0 is never moved."""

    def __post_init__(self) -> None:
        """Check the options."""
        for name, value in (("instruction", self.instruction), ("layout", self.layout)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be a share from 0 to 1, not {value}")

    def next_move(self, history: History) -> Move | None:
        """The opening; then the side furthest below its share, played by its component with most credit.

        So no side gets more than one step above its share. Where a side has no component, or none that
        could do anything, the others share its calls in proportion.
        """
        shares = self._shares()
        able = [arm for arm in arms(history) if shares[arm[0]] > 0]
        if not able:
            return None
        first = opening(history, able)
        if first is not None:
            return first
        sides = list(dict.fromkeys(side for side, _ in able))
        calls = {side: sum(s.calls for s in history.steps if s.side == side) for side in sides}
        each = sum(calls.values()) / sum(shares[side] for side in sides)
        due = max(sides, key=lambda side: shares[side] * each - calls[side])
        return richest(history, [arm for arm in able if arm[0] == due])

    def _shares(self) -> dict[Side, float]:
        rest = 1 - self.layout
        return {
            "layout": self.layout,
            "instruction": rest * self.instruction,
            "exemplars": rest * (1 - self.instruction),
        }
