"""Surrogates: components that predict the score of prompts that were not evaluated."""

from typing import TYPE_CHECKING, Protocol

from apo.points import Points

if TYPE_CHECKING:
    import numpy as np
    from botorch.models.model import Model
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Surrogate(Protocol):
    """Learns from evaluated prompts; a frozen dataclass whose fields are its options."""

    def fit(self, seen: Points, means: "Floats", variances: "Floats") -> "Model":
        """A model of the true score of any point.

        Args:
            seen: n points, at least two.
            means: shape (n), measured scores in [0, 1].
            variances: shape (n), positive: how far a mean may be off by the choice of its rows.

        The same arguments give the same model, whatever was drawn before; their order means nothing.
        """
        ...
