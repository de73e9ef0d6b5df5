"""First instructions, then exemplars from the best instruction's own outputs (Wan et al. 2024, section 3).

Instructions are searched without exemplars. Then the pool is rebuilt: the dev rows that the best of them
answered rightly, with its own outputs, which were paid for already. Deviations: the first stage may use
any proposers and takes a share of the calls instead of a number of evaluations; the second one begins with
random exemplars and compares layouts with them; where the instruction has fewer right outputs than a
prompt may hold exemplars, gold pairs of train are in the pool too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from apo.alternations import Arm, Move, arms, opening, richest
from apo.history import History
from apo.step import Step


@dataclass(frozen=True)
class TwoStage:
    """Searches instructions for `instruction` of the calls, then exemplars that the best one has answered."""

    instruction: float = 0.5
    """Share of the search's calls, in [0, 1], which the first stage's last step may exceed."""

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 <= self.instruction <= 1:
            raise ValueError(f"instruction must be a share from 0 to 1, not {self.instruction}")

    def next_move(self, history: History) -> Move | None:
        """The most credited proposer; after its share the opening, then the most credited selector.

        Once the second stage has begun there is no way back, unless there is no exemplar left to try.
        """
        able = arms(history)
        if not able:
            return None
        first = [arm for arm in able if arm[0] == "instruction"]
        second = [arm for arm in able if arm[0] != "instruction"]
        begun = next((s for s in history.steps if s.side in ("exemplars", "layout")), None)
        if not second or (first and begun is None and self._goes_on(history)):
            return richest(history, first)
        move = opening(history, second) or _exemplars_first(history, able)
        pool = _teacher(history, begun) if move.side == "exemplars" else ""
        return replace(move, pool=pool)

    def _goes_on(self, history: History) -> bool:
        """Whether instructions have not had their share of what the search took and will take."""
        total = history.total.calls - history.spend["test"].calls + history.left
        return sum(s.calls for s in history.steps if s.side == "instruction") < self.instruction * total


def _exemplars_first(history: History, able: Sequence[Arm]) -> Move:
    """The most credited selector, or whoever is left where there is none."""
    return richest(history, [arm for arm in able if arm[0] == "exemplars"] or able)


def _teacher(history: History, begun: Step | None) -> str:
    """The best candidate of the first stage, if any met all rows."""
    before = [s for s in history.steps if begun is None or s.number < begun.number]
    best = history.best_of(c for s in before for c in s.cohort)
    return best.id if best is not None else ""
