"""Many proposals, few candidates: a surrogate predicts their worth, an acquisition function chooses."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from apo.acquisitions import Acquisition
from apo.belief import fit, quiet, wanted
from apo.calibration import calibration
from apo.candidate import Prediction, Proposal
from apo.surrogates import Surrogate
from apo.view import SearchView


@dataclass(frozen=True)
class Screened:
    """The proposals that become candidates."""

    kept: list[Proposal]
    predictions: list[Prediction]
    """For each of them, or none at all while too little was measured to learn from."""
    out: list[Proposal]
    chosen: bool
    """Whether the surrogate had the say."""


def screen(
    proposals: Sequence[Proposal],
    width: int,
    view: SearchView,
    surrogate: Surrogate,
    acquisition: Acquisition,
    rng: Random,
) -> Screened:
    """The `width` most wanted proposals, in the order of their wanting.

    A surrogate whose predictions of this run were no better than chance (`Calibration.in_vain`) has no
    say: the first `width` are kept, and predicted all the same, so that it can earn its say again.
    """
    learned = fit(view.history, surrogate, view.embed) if proposals else None
    if learned is None:
        return Screened(list(proposals[:width]), [], list(proposals[width:]), chosen=False)
    chosen = len(proposals) > width and not calibration(view.history).in_vain
    prompts = [proposal.prompt for proposal in proposals]
    places = list(range(min(width, len(proposals))))
    if chosen:
        places = wanted(learned, acquisition, prompts, width, rng)
    with quiet():
        belief = learned.of([prompts[place] for place in places])
    deviations = belief.covariance.diagonal().clip(min=0) ** 0.5
    return Screened(
        [proposals[place] for place in places],
        [Prediction(float(m), float(d)) for m, d in zip(belief.mean, deviations, strict=True)],
        [proposal for place, proposal in enumerate(proposals) if place not in places],
        chosen,
    )
