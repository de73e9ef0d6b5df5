"""Bayesian optimization over exemplar lists and their order: a surrogate says which are worth a try.

A search within the search: lists drawn at random and children of the parent's list are judged by the
acquisition function, the most wanted ones have children of their own, and so on; no row is asked for it.
It is local search on the acquisition function (as in BANANAS, White et al. 2021, for another space).
"""

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from apo import plugins
from apo.belief import fit, quiet
from apo.candidate import Candidate
from apo.exemplars._draw import draw, fitting, sizes
from apo.exemplars._moves import move
from apo.prompt import Exemplar, Prompt
from apo.view import SearchView

if TYPE_CHECKING:
    from apo.acquisitions import Acquisition
    from apo.surrogates import Fitted

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
        numbers = [0, *sizes(view, len(pool))]
        lists = [
            fitting(view, parent, draw(pool, rng.choice(numbers), rng, balanced=True))
            for _ in range(self.drawn if learned else count)
        ]
        if learned is None:
            return lists
        tried = {c.prompt.digest for c in view.history.candidates.values()}
        acquisition = plugins.build("acquisitions", self.acquisition)
        if parent.prompt.exemplars and parent.prompt.nearest is None:
            lists += self._children(view, parent, [parent.prompt.exemplars] * self.kept, rng)
        for number in range(self.rounds + 1):
            lists = [x for x in dict.fromkeys(lists) if _prompt(parent, x).digest not in tried]
            last = number == self.rounds
            lists = _wanted(lists, parent, learned, acquisition, count if last else self.kept, rng)
            if not last:
                lists += self._children(view, parent, lists * 3, rng)
        return lists

    def _children(self, view: SearchView, parent: Candidate, lists: list[Shown], rng: Random) -> list[Shown]:
        """Each list with one move."""
        pool, children = view.pool(), []
        for shown in lists:
            child = list(shown)
            move(child, pool, view.max_exemplars, rng)
            children.append(fitting(view, parent, tuple(child)))
        return children


def _prompt(parent: Candidate, shown: Shown) -> Prompt:
    return replace(parent.prompt, exemplars=shown, nearest=None)


def _wanted(
    lists: list[Shown],
    parent: Candidate,
    learned: "Fitted",
    acquisition: "Acquisition",
    count: int,
    rng: Random,
) -> list[Shown]:
    """The `count` lists that the acquisition function chooses."""
    if not lists:
        return []
    import torch

    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.getrandbits(32))
        pool = learned.locate([_prompt(parent, shown) for shown in lists])
        places = acquisition.choose(learned.model, learned.seen, pool, count)
    return [lists[place] for place in places]
