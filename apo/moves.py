"""The candidates of one step: a component's suggestions as proposals around the best prompt."""

from dataclasses import replace
from random import Random

from apo import plugins
from apo.alternations import Move
from apo.candidate import Proposal
from apo.errors import RunError
from apo.exemplars import Pool, Selection
from apo.layouts import neighbours
from apo.orders import HUMAN
from apo.prompt import Prompt
from apo.task import with_sources
from apo.view import SearchView


def propose(move: Move, view: SearchView, rng: Random) -> list[Proposal]:
    """Up to `move.width` proposals that differ from their parent in `move.side`, or what people added.

    They differ in that side alone, but that a proposer may move exemplars along with the instruction.

    Raises:
        RunError: the component failed; the message says where.
    """
    parent = view.best
    if move.side is None:
        return _added(view) if move.component == HUMAN else []
    if move.side == "layout":
        return [Proposal(prompt, (parent.id,)) for prompt in neighbours(parent.prompt)[: move.width]]
    with plugins.foreign(f"The component {move.component!r} failed", RunError):
        if move.side == "exemplars":
            found = plugins.build("exemplars", move.component).select(view, parent, move.width, rng)
            proposals = [Proposal(showing(parent.prompt, x), (parent.id,)) for x in found]
        else:
            proposals = plugins.build("proposers", move.component).propose(view, move.width, rng)
    return proposals[: move.width]


def showing(prompt: Prompt, selection: Selection) -> Prompt:
    """The prompt with other exemplars."""
    if isinstance(selection, Pool):
        return replace(prompt, exemplars=selection.exemplars, nearest=selection.nearest)
    return replace(prompt, exemplars=selection, nearest=None)


def _added(view: SearchView) -> list[Proposal]:
    """What people added."""
    rows = (*view.train, *view.dev)
    return [
        Proposal(with_sources(add.prompt, rows), (add.parent,) if add.parent else (), add.note)
        for add in view.history.orders.added
    ]
