"""Worked examples: components that choose which ones to show with an instruction."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from apo.candidate import Candidate
from apo.prompt import Exemplar
from apo.view import SearchView


@dataclass(frozen=True, slots=True)
class Pool:
    """Exemplars of which each input is shown only the `nearest`, by sentence embedding."""

    exemplars: tuple[Exemplar, ...]
    nearest: int


Selection = tuple[Exemplar, ...] | Pool
"""A list that every input is shown as it is, or a pool."""


class ExemplarSelector(Protocol):
    """Chooses exemplars and their order; a frozen dataclass whose fields are its options."""

    def select(self, view: SearchView, parent: Candidate, count: int, rng: Random) -> Sequence[Selection]:
        """At most `count` alternatives for the parent's instruction and layout.

        Each holds distinct members of `view.pool()` and shows at most `view.max_exemplars` of them; an
        empty list is allowed. The same view and `rng` give the same alternatives.
        """
        ...
