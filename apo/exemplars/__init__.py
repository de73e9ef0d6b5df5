"""Worked examples: components that choose which ones to show with an instruction."""

from random import Random
from typing import Protocol

from apo.candidate import Candidate
from apo.prompt import Exemplar
from apo.view import SearchView


class ExemplarSelector(Protocol):
    """Chooses exemplars and their order; a frozen dataclass whose fields are its options."""

    def select(
        self, view: SearchView, parent: Candidate, count: int, rng: Random
    ) -> list[tuple[Exemplar, ...]]:
        """At most `count` alternative exemplar lists for the parent's instruction and layout.

        Each holds distinct members of `view.pool()`, at most `view.max_exemplars`; an empty list of
        exemplars is allowed. The same view and `rng` give the same lists.
        """
        ...
