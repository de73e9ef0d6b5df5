"""Mutation of the best exemplar list (Wan et al. 2024, section 3: replace some, keep what is better).

The paper gives no details. Here a child differs from its parent by one to `strength` moves, each
replacing, adding or removing one exemplar or exchanging two; whether it is better is the
scheduler's to say. A parent without exemplars, or with a pool, has children with freshly drawn ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from apo.candidate import Candidate
from apo.exemplars._draw import draw, fitting
from apo.exemplars._moves import move
from apo.prompt import Exemplar
from apo.view import SearchView

FRESH = 8
"""Exemplars of a child whose parent has no list."""


@dataclass(frozen=True)
class Mutation:
    """Children of the parent's exemplar list, one to `strength` moves away."""

    strength: int = 2

    def __post_init__(self) -> None:
        """Check the options."""
        if self.strength < 1:
            raise ValueError(f"strength must be at least 1, not {self.strength}")

    def select(
        self, view: SearchView, parent: Candidate, count: int, rng: Random
    ) -> list[tuple[Exemplar, ...]]:
        """`count` children, each made on its own from the parent."""
        pool = view.pool()
        return [fitting(view, parent, self._child(view, parent, pool, rng)) for _ in range(count)]

    def _child(
        self, view: SearchView, parent: Candidate, pool: Sequence[Exemplar], rng: Random
    ) -> tuple[Exemplar, ...]:
        child = list(parent.prompt.exemplars)
        if not child or parent.prompt.nearest is not None:
            return draw(pool, min(FRESH, view.max_exemplars), rng, balanced=True)
        for _ in range(rng.randint(1, self.strength)):
            move(child, pool, view.max_exemplars, rng)
        return tuple(child[: view.max_exemplars])
