"""The candidates of one step: a component's suggestions as proposals around the best prompt."""

from dataclasses import replace
from random import Random

from apo import plugins
from apo.alternation import Move
from apo.candidate import Proposal
from apo.layouts import neighbours
from apo.view import SearchView


def propose(move: Move, view: SearchView, rng: Random) -> list[Proposal]:
    """Up to `move.width` proposals that differ from their parent in `move.side` alone."""
    parent = view.best
    if move.side == "layout":
        prompts = [replace(parent.prompt, layout=x) for x in neighbours(parent.prompt.layout)]
        return [Proposal(prompt, (parent.id,)) for prompt in prompts[: move.width]]
    if move.side == "exemplars":
        selector = plugins.build("exemplars", move.component)
        lists = selector.select(view, parent, move.width, rng)
        return [Proposal(replace(parent.prompt, exemplars=x), (parent.id,)) for x in lists]
    proposer = plugins.build("proposers", move.component)
    proposals: list[Proposal] = proposer.propose(view, move.width, rng)
    return proposals[: move.width]
