"""Random search over exemplar lists (Wan et al. 2024, section 3: independent draws, best kept).

Deviations: the number of exemplars is drawn too, since it is worth as much as their choice, and
draws are balanced over the answers by default, so that a closed task shows all its labels.
"""

from dataclasses import dataclass
from random import Random

from apo.candidate import Candidate
from apo.exemplars._draw import draw, fitting, sizes
from apo.prompt import Exemplar
from apo.view import SearchView


@dataclass(frozen=True)
class RandomSearch:
    """Independent draws of varying size; `balanced` takes answers in turn."""

    balanced: bool = True

    def select(
        self, view: SearchView, parent: Candidate, count: int, rng: Random
    ) -> list[tuple[Exemplar, ...]]:
        """`count` independent draws, all sizes equally likely."""
        pool = view.pool()
        numbers = [0, *sizes(view, len(pool))]
        return [
            fitting(view, parent, draw(pool, rng.choice(numbers), rng, balanced=self.balanced))
            for _ in range(count)
        ]
