"""Instructions: components that suggest new ones from what the search has seen."""

from random import Random
from typing import Protocol

from apo.candidate import Proposal
from apo.view import SearchView


class Proposer(Protocol):
    """Suggests prompts with a new instruction; a frozen dataclass whose fields are its options."""

    def propose(self, view: SearchView, count: int, rng: Random) -> list[Proposal]:
        """At most `count` proposals; the same view, replies and `rng` give the same ones.

        Exemplars and layout stay those of the parent. Texts are not checked here: the engine
        discards what is empty, repeated or leaked. Failed calls give fewer proposals, never an error.
        """
        ...
