"""Random search over exemplar lists (Wan et al. 2024, section 3: independent draws, best kept).

Deviations: the number of exemplars is drawn too, since it is worth as much as their choice, and
draws are balanced over the answers by default, so that a closed task shows all its labels.
"""

from dataclasses import dataclass
from random import Random

from apo.candidate import Candidate
from apo.exemplars._draw import drawn
from apo.prompt import Exemplar
from apo.view import SearchView


@dataclass(frozen=True)
class RandomSearch:
    """Independent draws of varying size; `balanced` takes answers in turn."""

    balanced: bool = True

    def select(
        self, view: SearchView, parent: Candidate, count: int, rng: Random
    ) -> list[tuple[Exemplar, ...]]:
        """`count` independent draws of sizes up to the most that the run allows."""
        return drawn(view, parent, view.pool(), count, rng, balanced=self.balanced)
