"""The beginning of a step: its component suggests; what is good enough becomes candidates."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from apo import events
from apo.alternations import Move
from apo.candidate import Candidate, Prediction, Proposal, Side
from apo.errors import RunError, SpentError
from apo.events import Discard
from apo.hygiene import inspect
from apo.moves import propose
from apo.orders import HUMAN
from apo.plugins import build, foreign
from apo.screening import Screened, screen
from apo.seeding import rng
from apo.step import Step
from apo.surrogates import Surrogate
from apo.view import SearchView

PROPOSAL_SHARE = 0.25
"""Of a step's calls, what proposing may take, unless the component says otherwise."""
STEP_SHARES: dict[Side | None, float] = {"layout": 0.35, "exemplars": 0.8, "instruction": 0.35, None: 0.8}
"""Of the calls left, what a step may take."""
WHOLE_SHARE = 0.3
"""The most of the calls that would bring all candidates of a step to all dev rows, where a side has many."""
SCREENED = "screened out"
"""Why a proposal is discarded that a surrogate thinks less of."""


def allowed(move: Move, left: int, rows: int) -> int:
    """Calls that a step may take of those that are left, with so many dev rows.

    Exemplar lists cost nothing to propose: the first step should see many of them, however small the budget,
    and a large budget should go to further steps. Layouts are few, and lists are searched after them. Texts
    are few and paid for, so all of them may be brought far. At least two candidates' worth of rows; a rest
    that is less goes to this step too, since the next could not compare anything with it.
    """
    most = STEP_SHARES[move.side] * left
    if move.side in ("layout", "exemplars"):
        most = min(most, move.width * rows * WHOLE_SHARE)
    calls = max(2 * rows, int(most))
    return calls if left - calls >= 2 * rows else left


def share(step: Step) -> float:
    """Of a step's calls, what its component may take to propose."""
    if step.side != "instruction":
        return PROPOSAL_SHARE
    with foreign(f"The component {step.component!r} failed", RunError):
        return float(getattr(build("proposers", step.component), "share", PROPOSAL_SHARE))


def candidates(step: Step, view: SearchView, surrogate: Surrogate) -> events.CandidatesProposed:
    """The candidates of a step, with what was discarded and what proposing cost.

    Exemplar lists cost nothing to propose, so `screen` times as many are, where a surrogate chooses.

    Raises:
        RunError: a component failed; the message says which and where.
    """
    history, model, spec = view.history, view.model, view.history.spec
    view = replace(view, pool_of=step.pool)
    draws = rng(spec.seed, step.number, "propose")
    times = spec.screen if step.side == "exemplars" else 1
    proposals, problem = list[Proposal](), ""
    try:
        proposals = propose(Move(step.side, step.component, times * step.width, step.pool), view, draws)
    except SpentError as error:
        problem = str(error)
    kept, discarded = inspect(proposals, view, by_hand=step.component == HUMAN)
    screened = _screened(kept, step, view, surrogate, draws)
    start = len(history.candidates)
    origin = step.component.partition(":")[0]
    made = tuple(
        Candidate(f"c{start + place}", p.prompt, p.parents, origin, step.side, p.note, p.arm)
        for place, p in enumerate(screened.kept)
    )
    own = [p.expected for p in screened.kept]
    predicted: Sequence[Prediction | None] = screened.predictions or own
    out = [Discard(SCREENED, proposal.prompt.instruction[:200]) for proposal in screened.out]
    return events.CandidatesProposed(
        step=step.number,
        candidates=made,
        discarded=(*discarded, *out),
        spend=model.spend,
        whitebox=view.whitebox.spend,
        problem=model.problem or problem or view.whitebox.problem,
        predictions={c.id: p for c, p in zip(made, predicted, strict=True) if p is not None},
        screened=screened.chosen,
    )


def _screened(
    kept: list[Proposal], step: Step, view: SearchView, surrogate: Surrogate, draws: Random
) -> Screened:
    """What a surrogate chooses, where one is asked."""
    spec = view.history.spec
    if spec.screen == 1 or step.side is None:
        return Screened(kept, [], [], chosen=False)
    with foreign(f"Screening by {spec.surrogate!r} and {spec.acquisition!r} failed", RunError):
        acquisition = build("acquisitions", spec.acquisition)
        return screen(kept, step.width, view, surrogate, acquisition, draws)
