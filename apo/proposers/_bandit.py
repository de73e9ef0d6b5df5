"""Which arms to play next: a neural bandit, and what it must beat, in one frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Literal, cast

from apo import plugins
from apo.acquisitions import Acquisition
from apo.acquisitions.expected_improvement import ExpectedImprovement
from apo.acquisitions.thompson import Thompson
from apo.acquisitions.upper_confidence import UpperConfidence
from apo.belief import quiet, wanted
from apo.candidate import Prediction
from apo.embedding import Embed
from apo.prompt import Prompt
from apo.surrogates import Fitted

if TYPE_CHECKING:
    from torch import Tensor

    from apo.arrays import Floats

Strategy = Literal["neural", "thompson", "gp", "local", "uniform"]
STEP = 0.1
"""Length of a step of local ascent, where contexts are about a unit apart."""


@dataclass(frozen=True)
class Played:
    """Arms with scores, as prompts whose instruction is the arm's key."""

    prompts: list[Prompt]
    means: "Floats"
    variances: "Floats"


def learn(strategy: Strategy, surrogate: str, played: Played, embed: Embed) -> Fitted | None:
    """What is believed after so many arms; None for who believes nothing, or after fewer than two."""
    if strategy == "uniform" or len(played.prompts) < 2:
        return None
    named = "gaussian_process" if strategy == "gp" else surrogate
    with quiet():
        fitted: Fitted = plugins.build("surrogates", named).fit(
            played.prompts, played.means, played.variances, embed
        )
    return fitted


@dataclass(frozen=True)
class Bandit:
    """What is believed, and how arms are chosen by it."""

    strategy: Strategy
    learned: Fitted | None
    played: Played
    nu: float
    seed: int
    """Of all its draws: asked again with fewer arms it goes on choosing alike."""


def pick(bandit: Bandit, arms: Sequence[Prompt], count: int) -> list[int]:
    """The places of the `count` arms to play next, the most wanted first; all where there are fewer.

    `neural` takes the highest means plus nu deviations, one after the other, each making its neighbours
    more certain; `thompson` draws from the same belief; `gp` is expected improvement under a Gaussian process
    (as InstructZero); `local` climbs from the best arm to its neighbours (as ZOPO).
    """
    rng, learned = Random(bandit.seed), bandit.learned
    if learned is None or not arms:
        return rng.sample(range(len(arms)), min(count, len(arms)))
    if bandit.strategy == "local":
        return _climb(learned, bandit.played, arms, count)
    rules: dict[Strategy, Acquisition] = {
        "neural": UpperConfidence(bandit.nu**2),
        "thompson": Thompson(),
        "gp": ExpectedImprovement(),
    }
    return wanted(learned, rules[bandit.strategy], arms, count, rng)


def predictions(learned: Fitted | None, arms: Sequence[Prompt]) -> list[Prediction | None]:
    """What is expected of arms."""
    if learned is None or not arms:
        return [None] * len(arms)
    with quiet():
        belief = learned.of(arms)
    deviations = belief.covariance.diagonal().clip(min=0) ** 0.5
    return [Prediction(float(m), float(d)) for m, d in zip(belief.mean, deviations, strict=True)]


def _climb(learned: Fitted, played: Played, arms: Sequence[Prompt], count: int) -> list[int]:
    """Steps along the mean's gradient from the best arm, each to the nearest arm that is not taken yet.

    Deviations from ZOPO: the surrogate's mean in place of a process with a tangent kernel on local data;
    where the gradient vanishes the nearest arms are taken; there is no other exploration.
    """
    import torch

    where = learned.locate(list(arms))
    point = learned.locate([played.prompts[int(played.means.argmax())]])
    chosen: list[int] = []
    while len(chosen) < min(count, len(arms)):
        slope = _slope(learned, point)
        length = float(slope.norm())
        point = point + STEP * slope / length if length > 0 else point
        away = torch.cdist(point, where)[0]
        away[chosen] = torch.inf
        chosen.append(int(away.argmin()))
    return chosen


def _slope(learned: Fitted, point: "Tensor") -> "Tensor":
    """The gradient of the believed mean at a point of shape (1, d)."""
    import torch
    from botorch.posteriors.gpytorch import GPyTorchPosterior

    at = point.detach().requires_grad_()
    with quiet():
        belief = cast(GPyTorchPosterior, learned.model.posterior(at))
    (slope,) = torch.autograd.grad(belief.mean.sum(), at)
    return slope
