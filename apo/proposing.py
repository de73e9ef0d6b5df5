"""The beginning of a step: its component suggests; what is good enough becomes candidates."""

from dataclasses import replace

from apo import events
from apo.alternations import Move
from apo.candidate import Candidate
from apo.hygiene import inspect
from apo.moves import propose
from apo.orders import HUMAN
from apo.seeding import rng
from apo.step import Step
from apo.view import SearchView


def candidates(step: Step, view: SearchView) -> events.CandidatesProposed:
    """The candidates of a step, with what was discarded and what proposing cost.

    Raises:
        RunError: the component failed; the message says where.
    """
    history, model = view.history, view.model
    view = replace(view, pool_of=step.pool)
    draws = rng(history.spec.seed, step.number, "propose")
    proposals = propose(Move(step.side, step.component, step.width, step.pool), view, draws)
    kept, discarded = inspect(proposals, view, by_hand=step.component == HUMAN)
    start = len(history.candidates)
    origin = step.component.partition(":")[0]
    return events.CandidatesProposed(
        step=step.number,
        candidates=tuple(
            Candidate(f"c{start + place}", p.prompt, p.parents, origin, step.side, p.note)
            for place, p in enumerate(kept)
        ),
        discarded=tuple(discarded),
        spend=model.spend,
        problem=model.problem,
    )
