"""Prompts as points for a surrogate: instruction, exemplars and shape, each with columns of its own.

Instruction and exemplars are embedded apart (HbBoPs, Schneider et al. 2025, section 4.1). Deviations: the
exemplars' part is a mean over the single exemplars, not one text, which an encoder of 256 tokens would
cut; later exemplars weigh more, so that another order is another point, near the first; and a third part
says what both texts do not: how many exemplars are shown, whether each input has its own, and the layout.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING

from apo.embedding import Embed
from apo.prompt import FORMS, PLACES, Prompt

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor

    from apo.arrays import Floats

RECENCY = 1.0
"""How much more the last exemplar weighs than the first, as a share of the first's weight."""
COUNT_SCALE = 4.0
"""log2 of one more than sixteen exemplars: shapes then lie near the unit cube."""


@dataclass(frozen=True)
class Points:
    """n prompts as rows of one tensor."""

    values: "Tensor"
    """Shape (n, sum of parts), double precision."""
    parts: tuple[int, int, int]
    """Columns of instruction, exemplars and shape."""


def points(prompts: Sequence[Prompt], embed: Embed) -> Points:
    """The points of at least one prompt.

    Raises:
        OSError: the encoder cannot be loaded.
    """
    import numpy as np
    import torch

    instructions = embed([p.instruction for p in prompts])
    texts = dict.fromkeys(_text(e.input, e.output) for p in prompts for e in p.exemplars)
    width = instructions.shape[1]
    at = dict(zip(texts, embed(list(texts)), strict=True)) if texts else {}
    exemplars = np.stack([_mean([at[_text(e.input, e.output)] for e in p.exemplars], width) for p in prompts])
    shapes = np.array([_shape(p) for p in prompts])
    values = torch.from_numpy(np.hstack([instructions, exemplars, shapes]))
    return Points(values, (width, width, shapes.shape[1]))


def joint(model: "Model", values: "Tensor") -> "tuple[Tensor, Tensor]":
    """What a fitted model believes of n points together: means, shape (n), and covariances, shape (n, n)."""
    from typing import cast

    import torch
    from botorch.posteriors.gpytorch import GPyTorchPosterior

    with torch.no_grad():
        belief = cast(GPyTorchPosterior, model.posterior(values))
        covariance: Tensor = belief.distribution.covariance_matrix
    return belief.mean.squeeze(-1), covariance.clone()


def _text(question: str, answer: str) -> str:
    return f"{question}\n{answer}"


def _mean(embedded: "Sequence[Floats]", width: int) -> "Floats":
    """The weighted mean of exemplars; the origin without any."""
    import numpy as np

    if not embedded:
        return np.zeros(width)
    weights = np.linspace(1.0, 1.0 + RECENCY, len(embedded))
    return np.asarray(np.average(np.stack(embedded), axis=0, weights=weights))


def _shape(prompt: Prompt) -> list[float]:
    """How many exemplars are shown, on a scale that grows ever slower; the rest as 0 and 1."""
    layout = prompt.layout
    forms = [float(layout.form == form) for form in FORMS]
    places = [float(layout.place == place) for place in PLACES]
    pool = float(prompt.nearest is not None)
    return [log2(1 + len(prompt.longest)) / COUNT_SCALE, pool, *forms, *places]
