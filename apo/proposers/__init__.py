"""Instructions: components that suggest new ones from what the search has seen."""

from random import Random
from typing import Protocol

from apo.candidate import Proposal
from apo.view import SearchView


class Proposer(Protocol):
    """Suggests prompts with a new instruction; a frozen dataclass whose fields are its options.

    One that looks into weights (`view.whitebox`) says so by a class variable `opens_weights = True`: a run
    whose white box cannot be opened is then refused before it begins. One that lets the task model answer
    (`view.model.answers`) may claim more of a step's calls by a class variable `share`, above 0 and below 1.
    """

    def propose(self, view: SearchView, count: int, rng: Random) -> list[Proposal]:
        """At most `count` proposals; the same view, replies and `rng` give the same ones.

        The layout is a parent's. So are the exemplars, unless a proposer moves them along: then they are
        distinct members of `view.pool()` or of a parent's list, at most `view.max_exemplars`. Texts are
        not checked here: the engine discards what is empty, repeated or leaked. Failed calls give fewer
        proposals, never an error.
        """
        ...
