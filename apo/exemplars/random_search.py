"""Random search over exemplar lists (Wan et al. 2024, section 3: independent draws, best kept).

Deviations: the number of exemplars is drawn too, since it is worth as much as their choice, and
draws are balanced over the answers by default, so that a closed task shows all its labels.
"""

from dataclasses import dataclass
from random import Random

from apo.candidate import Candidate
from apo.exemplars._draw import draw, fitting
from apo.prompt import Exemplar
from apo.view import SearchView

SIZES = (0, 1, 2, 3, 5, 8, 12, 16)
"""Numbers of exemplars to draw from: nearly geometric, since one more matters less and less."""


@dataclass(frozen=True)
class RandomSearch:
    """Independent draws of varying size; `balanced` takes answers in turn."""

    balanced: bool = True

    def select(
        self, view: SearchView, parent: Candidate, count: int, rng: Random
    ) -> list[tuple[Exemplar, ...]]:
        """`count` independent draws, all sizes equally likely."""
        pool = view.pool()
        sizes = [size for size in SIZES if size <= min(view.max_exemplars, len(pool))] or [0]
        return [
            fitting(view, parent, draw(pool, rng.choice(sizes), rng, balanced=self.balanced))
            for _ in range(count)
        ]
