"""No model of texts: every prompt is one of a crowd. What every other surrogate must beat."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo.embedding import Embed
from apo.prompt import Prompt
from apo.surrogates import Fitted

if TYPE_CHECKING:
    from torch import Tensor

    from apo.arrays import Floats

LEAST_SHARE = 0.1
"""Of the spread of measured means, what is taken for a real difference at least."""


@dataclass(frozen=True)
class Average:
    """Measured prompts are drawn to the crowd's mean as far as few rows may mislead; the others have it.

    A Gaussian process whose kernel knows no neighbours; its scale is found by moments (random effects).
    It asks no encoder.
    """

    def fit(self, prompts: Sequence[Prompt], means: "Floats", variances: "Floats", embed: Embed) -> Fitted:
        """The crowd's mean and spread."""
        import numpy as np

        from apo.surrogates._process import own, process, scaled

        seen = _anywhere(prompts)
        kernel = scaled(own())
        model = process(seen, means, variances, kernel)
        # In the standardized units of the process: what the noise does not explain is the crowd's.
        spread = max(float(np.var(means, ddof=1)), 1e-12)
        kernel.outputscale = min(1.0, max(LEAST_SHARE, 1 - float(variances.mean()) / spread))
        model.mean_module.constant.data.fill_(0.0)
        model.eval()
        return Fitted(model, seen, _anywhere)


def _anywhere(prompts: Sequence[Prompt]) -> "Tensor":
    """Points of shape (n, 8) in the unit cube that say which prompt is which, and nothing else."""
    import torch

    digests = [hashlib.sha256(p.digest.encode()).digest()[:8] for p in prompts]
    return torch.tensor([[byte / 255 for byte in digest] for digest in digests], dtype=torch.double)
