"""No model of texts: every prompt is one of a crowd. What every other surrogate must beat."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo.points import Points

if TYPE_CHECKING:
    import numpy as np
    from botorch.models.model import Model
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_SHARE = 0.1
"""Of the spread of measured means, what is taken for a real difference at least."""


@dataclass(frozen=True)
class Average:
    """Measured prompts are drawn to the crowd's mean as far as few rows may mislead; the others have it.

    A Gaussian process whose kernel knows no neighbours; its scale is found by moments (random effects).
    """

    def fit(self, seen: Points, means: "Floats", variances: "Floats") -> "Model":
        """The crowd's mean and spread, as a BoTorch model of standardized scores with known noise."""
        import numpy as np

        from apo.surrogates._process import own, process, scaled

        kernel = scaled(own(sum(seen.parts)))
        model = process(seen, means, variances, kernel)
        # Moments, in the standardized units of the process: what the noise does not explain is the crowd's.
        spread = max(float(np.var(means, ddof=1)), 1e-12)
        kernel.outputscale = min(1.0, max(LEAST_SHARE, 1 - float(variances.mean()) / spread))
        model.mean_module.constant.data.fill_(0.0)
        model.eval()
        return model
