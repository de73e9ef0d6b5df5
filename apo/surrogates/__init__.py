"""Surrogates: components that predict the score of prompts that were not evaluated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from apo.embedding import Embed
from apo.points import joint
from apo.prompt import Prompt

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor

    from apo.arrays import Floats


@dataclass(frozen=True)
class Posterior:
    """A joint belief about the true scores of n prompts."""

    mean: "Floats"
    """Shape (n)."""
    covariance: "Floats"
    """Shape (n, n)."""


@dataclass(frozen=True)
class Fitted:
    """A surrogate that has learned: a model, and where prompts lie for it."""

    model: "Model"
    seen: "Tensor"
    """Shape (n, d): the prompts that it learned from."""
    locate: "Callable[[Sequence[Prompt]], Tensor]"
    """From m prompts to their points, shape (m, d)."""

    def of(self, prompts: Sequence[Prompt]) -> Posterior:
        """What is believed of prompts, at least one, measured or not."""
        mean, covariance = joint(self.model, self.locate(prompts))
        return Posterior(mean.numpy(), covariance.numpy())


class Surrogate(Protocol):
    """Learns from evaluated prompts; a frozen dataclass whose fields are its options."""

    def fit(self, prompts: Sequence[Prompt], means: "Floats", variances: "Floats", embed: Embed) -> Fitted:
        """A model of the true score of any prompt.

        Args:
            prompts: n of them, at least two, all different.
            means: shape (n), measured scores in [0, 1].
            variances: shape (n), positive: how far a mean may be off by the choice of its rows.
            embed: texts as points.

        The same arguments give the same model, whatever was drawn before; their order means nothing.
        """
        ...
