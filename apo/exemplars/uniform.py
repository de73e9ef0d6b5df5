"""Random exemplars: the arm that every other selector must beat."""

from dataclasses import dataclass
from random import Random

from apo.candidate import Candidate
from apo.exemplars._draw import draw, fitting
from apo.prompt import Exemplar
from apo.view import SearchView


@dataclass(frozen=True)
class Uniform:
    """`size` exemplars, every row of the pool as likely as any other."""

    size: int = 5

    def select(
        self, view: SearchView, parent: Candidate, count: int, rng: Random
    ) -> list[tuple[Exemplar, ...]]:
        """`count` independent draws."""
        pool = view.pool()
        size = min(self.size, view.max_exemplars)
        return [fitting(view, parent, draw(pool, size, rng, balanced=False)) for _ in range(count)]
