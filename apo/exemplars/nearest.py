"""The exemplars nearest to each input (Wan et al. 2024, section 3; Liu et al. 2022, KATE).

The paper shows each query the k items of the pool with the highest cosine similarity. Here k is
searched, and so is what the pool is made of: gold pairs alone, or own outputs too, which may be worded
otherwise. Deviation: a large pool is cut to `rows` random rows, since every candidate that descends
from it carries it, in the journal and in the export.
"""

from dataclasses import dataclass, replace
from random import Random

from apo.candidate import Candidate
from apo.exemplars import Pool
from apo.exemplars._draw import one_a_row, sizes
from apo.view import SearchView


@dataclass(frozen=True)
class Nearest:
    """Pools of at most `rows` rows, of which each input is shown the most similar ones."""

    rows: int = 200

    def __post_init__(self) -> None:
        """Check the options."""
        if self.rows < 1:
            raise ValueError(f"rows must be at least 1, not {self.rows}")

    def select(self, view: SearchView, parent: Candidate, count: int, rng: Random) -> list[Pool]:
        """Up to `count` of all pools and numbers that fit the context, drawn."""
        everything, train = view.pool(), {row.id for row in view.train}
        gold = [e for e in everything if e.source in train]
        found = []
        for rows in (gold, everything) if len(gold) < len(everything) else (gold,):
            drawn = set(one_a_row(rows, rng)[: self.rows])
            pool = tuple(e for e in rows if e in drawn)
            found += [Pool(pool, number) for number in sizes(view, len(pool))]
        rng.shuffle(found)
        shown = [replace(parent.prompt, exemplars=x.exemplars, nearest=x.nearest) for x in found]
        return [x for x, prompt in zip(found, shown, strict=True) if view.fits(prompt)][:count]
