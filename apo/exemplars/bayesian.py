"""Bayesian optimization over exemplar lists and their order: a surrogate says which are worth a try.

A search within the search: lists drawn at random and children of the parent's list are judged by the
acquisition function, the most wanted ones have children of their own, and so on; no row is asked for it.
It is local search on the acquisition function (as in BANANAS, White et al. 2021, for another space).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from apo import plugins
from apo.belief import fit, wanted
from apo.candidate import Candidate
from apo.exemplars._draw import drawn, fitting
from apo.exemplars._moves import move
from apo.prompt import Exemplar, Prompt
from apo.view import SearchView

Shown = tuple[Exemplar, ...]


@dataclass(frozen=True)
class Bayesian:
    """Starts from `drawn` lists; `rounds` times the `kept` most wanted ones have three children each.

    Surrogate and acquisition function are named as on the command line. While too little was measured
    to learn from, lists are drawn at random.
    """

    surrogate: str = "gaussian_process"
    acquisition: str = "log_nei"
    drawn: int = 64
    rounds: int = 3
    kept: int = 16

    def __post_init__(self) -> None:
        """Check the options."""
        if min(self.drawn, self.kept) < 1 or self.rounds < 0:
            raise ValueError(
                "drawn and kept must be at least 1 and rounds at least 0, not "
                f"{self.drawn}, {self.kept} and {self.rounds}"
            )

    def select(self, view: SearchView, parent: Candidate, count: int, rng: Random) -> list[Shown]:
        """The `count` most wanted lists that were found, none of them tried before with this parent."""
        pool = view.pool()
        learned = fit(view.history, plugins.build("surrogates", self.surrogate), view.embed)
        lists = drawn(view, parent, pool, self.drawn if learned else count, rng, balanced=True)
        if learned is None:
            return lists
        tried = view.history.tried.digests
        acquisition = plugins.build("acquisitions", self.acquisition)
        if parent.prompt.exemplars and parent.prompt.nearest is None:
            lists += _children(view, parent, pool, [parent.prompt.exemplars] * self.kept, rng)
        for number in range(self.rounds + 1):
            lists = [x for x in dict.fromkeys(lists) if _prompt(parent, x).digest not in tried]
            last = number == self.rounds
            prompts = [_prompt(parent, shown) for shown in lists]
            most = count if last else self.kept
            lists = [lists[place] for place in wanted(learned, acquisition, prompts, most, rng)]
            if not last:
                lists += _children(view, parent, pool, lists * 3, rng)
        return lists


def _children(
    view: SearchView, parent: Candidate, pool: Sequence[Exemplar], lists: Sequence[Shown], rng: Random
) -> list[Shown]:
    """Each list with one move."""
    children = []
    for shown in lists:
        child = list(shown)
        move(child, pool, view.max_exemplars, rng)
        children.append(fitting(view, parent, tuple(child)))
    return children


def _prompt(parent: Candidate, shown: Shown) -> Prompt:
    return replace(parent.prompt, exemplars=shown, nearest=None)
