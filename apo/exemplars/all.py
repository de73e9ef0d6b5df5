"""The whole pool as exemplars (Wan et al. 2024, section 3: the ablation with a long context).

Deviations: no more than the run allows are shown, since that limit is the user's (`--max-exemplars`
raises it), nor more than fit the context; a pool that is larger is drawn from, its answers in turn.
The paper shows one order; here several are alternatives.
"""

from dataclasses import dataclass
from random import Random

from apo.candidate import Candidate
from apo.exemplars._draw import draw, fitting
from apo.prompt import Exemplar
from apo.view import SearchView


@dataclass(frozen=True)
class All:
    """Every row of the pool, as far as limit and context go, in up to `orders` random orders."""

    orders: int = 4

    def __post_init__(self) -> None:
        """Check the options."""
        if self.orders < 1:
            raise ValueError(f"orders must be at least 1, not {self.orders}")

    def select(
        self, view: SearchView, parent: Candidate, count: int, rng: Random
    ) -> list[tuple[Exemplar, ...]]:
        """Up to `count` lists; each is so long that few are enough to compare."""
        pool = view.pool()
        return [
            fitting(view, parent, draw(pool, view.max_exemplars, rng, balanced=True))
            for _ in range(min(count, self.orders))
        ]
