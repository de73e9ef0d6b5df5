"""What is believed of candidates' true scores: a surrogate fitted to all that was measured so far."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo.candidate import Prediction
from apo.embedding import Embed
from apo.history import History
from apo.points import joint, points
from apo.prompt import Prompt
from apo.selection import adjusted
from apo.surrogates import Surrogate

if TYPE_CHECKING:
    import numpy as np
    from botorch.models.model import Model
    from numpy.typing import NDArray
    from torch import Tensor

    Floats = NDArray[np.float64]

LEAST_MEASURED = 2
"""Candidates with scores that a surrogate is fitted to."""
UNKNOWN_MEAN, UNKNOWN_VARIANCE = 0.5, 0.08
"""Of a score of which nothing is known: about those of a uniform one."""


@dataclass(frozen=True)
class Posterior:
    """A joint belief about the true scores of n candidates."""

    mean: "Floats"
    """Shape (n)."""
    covariance: "Floats"
    """Shape (n, n)."""


Belief = Callable[[Sequence[str]], Posterior]
"""From candidate ids, at least one, to what is believed of them."""


@dataclass(frozen=True)
class Fitted:
    """A surrogate that has learned from a history."""

    model: "Model"
    seen: "Tensor"
    """Shape (n, d): the prompts that it learned from."""
    embed: Embed

    def of(self, prompts: Sequence[Prompt]) -> Posterior:
        """The joint belief about prompts."""
        with _quiet():
            mean, covariance = joint(self.model, points(prompts, self.embed).values)
        return Posterior(mean.numpy(), covariance.numpy())

    def predictions(self, prompts: Sequence[Prompt]) -> list[Prediction]:
        """The belief about each prompt on its own."""
        belief = self.of(prompts)
        deviations = belief.covariance.diagonal().clip(min=0) ** 0.5
        return [Prediction(float(m), float(d)) for m, d in zip(belief.mean, deviations, strict=True)]


def fit(history: History, surrogate: Surrogate, embed: Embed) -> Fitted | None:
    """A surrogate fitted to all candidates with scores; None while there are too few.

    A candidate's mean counts as on rows of average difficulty, so that those who met only the first rows
    can be compared with the others; its variance is that of so many right or wrong answers.
    """
    measured = {c.id: scores for c in history.candidates.values() if (scores := history.scores(c.id))}
    if len(measured) < LEAST_MEASURED:
        return None
    import numpy as np
    import torch

    # The matrices are small, and the other cores are the model server's.
    torch.set_num_threads(1)
    shares, dispersion = adjusted(measured)
    rows = np.array([len(scores) for scores in measured.values()])
    means = np.array([shares[candidate] for candidate in measured])
    crowd = float(np.average(means, weights=rows))
    smoothed = (means * rows + 2 * crowd) / (rows + 2)
    variances = np.maximum(dispersion * smoothed * (1 - smoothed) / rows, 1e-5)
    seen = points([history.candidates[c].prompt for c in measured], embed)
    with _quiet():
        return Fitted(surrogate.fit(seen, means, variances), seen.values, embed)


def belief(history: History, surrogate: Surrogate, embed: Embed) -> Belief:
    """The belief about candidates of a history as it is when it is asked."""

    def believe(candidates: Sequence[str]) -> Posterior:
        import numpy as np

        learned = fit(history, surrogate, embed)
        if learned is None:
            n = len(candidates)
            return Posterior(np.full(n, UNKNOWN_MEAN), UNKNOWN_VARIANCE * np.eye(n))
        return learned.of([history.candidates[c].prompt for c in candidates])

    return believe


def _quiet() -> warnings.catch_warnings:
    """Fits are checked by what they predict; their libraries' hints to programmers help nobody here."""
    return warnings.catch_warnings(action="ignore")
