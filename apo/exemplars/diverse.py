"""Diverse exemplars (Wan et al. 2024, section 3: cluster the pool, take the item nearest each centroid).

Deviations: the number of exemplars is drawn too, k-means starts elsewhere for each list, and the order
is random, so that one turn has many alternatives to compare. Of a large pool, `rows` random rows are
clustered. What is embedded is the input.
"""

from dataclasses import dataclass
from random import Random

from apo.candidate import Candidate
from apo.exemplars._clusters import clusters
from apo.exemplars._draw import fitting, one_a_row, sizes
from apo.prompt import Exemplar
from apo.view import SearchView


@dataclass(frozen=True)
class Diverse:
    """The most central exemplar of each cluster of inputs; at most `rows` rows are clustered."""

    rows: int = 500

    def __post_init__(self) -> None:
        """Check the options."""
        if self.rows < 1:
            raise ValueError(f"rows must be at least 1, not {self.rows}")

    def select(
        self, view: SearchView, parent: Candidate, count: int, rng: Random
    ) -> list[tuple[Exemplar, ...]]:
        """`count` lists, all sizes equally likely; fewer exemplars where fewer inputs differ."""
        rows = one_a_row(view.pool(), rng)[: self.rows]
        numbers = sizes(view, len(rows))
        if not numbers:
            return []
        points = view.embed([e.input for e in rows])
        lists = []
        for _ in range(count):
            chosen = [rows[inside[0]] for inside in clusters(points, rng.choice(numbers), rng)]
            rng.shuffle(chosen)
            lists.append(fitting(view, parent, tuple(chosen)))
        return lists
