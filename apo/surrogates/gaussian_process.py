"""A Gaussian process over prompts: a product of kernels of instruction, exemplars and shape.

Two prompts are expected to do alike as far as all their parts are alike; what is left over each prompt has
of its own, since the order of the same exemplars can be worth much that no encoder sees. With so few
prompts a part has one length scale, not one for each of the encoder's dimensions, and a prior keeps it
near the distances that sentences have. The noise is not learned: it is that of so many rows (binomial).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo.points import Points

if TYPE_CHECKING:
    import numpy as np
    from botorch.models.model import Model
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GaussianProcess:
    """Matérn-5/2 kernels on the parts of a prompt, and a share of its own; at the posterior mode."""

    def fit(self, seen: Points, means: "Floats", variances: "Floats") -> "Model":
        """The fitted process, as a BoTorch model of standardized scores with known noise."""
        from apo.surrogates._process import fitted, own, product, scaled

        kernel = scaled(product(seen.parts)) + scaled(own(sum(seen.parts)))
        return fitted(seen, means, variances, kernel)
