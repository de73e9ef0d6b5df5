"""Knowledge gradient (Frazier et al. 2009) with rows as fidelity: how much better the best mean is
expected to be once a prompt has met so many rows.

Unlike expected improvement it does not take the prompt that is tried for the one that is chosen in the
end, which is right where a few noisy rows are all that a prompt meets at first.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo.points import joint

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor

NODES = 32
"""Nodes of the Gauss-Hermite quadrature over what the rows may show."""


@dataclass(frozen=True)
class KnowledgeGradient:
    """The gain of meeting `rows` rows, by quadrature over the finite pool and what was seen.

    A batch is chosen one after the other; each choice makes its neighbours less uncertain, as if its rows
    had shown what was expected.
    """

    rows: int = 12

    def __post_init__(self) -> None:
        """Check the options."""
        if self.rows < 1:
            raise ValueError(f"rows must be at least 1, not {self.rows}")

    def choose(self, model: "Model", seen: "Tensor", pool: "Tensor", count: int) -> list[int]:
        """The batch of the highest gains, found greedily."""
        import torch

        mean, covariance = joint(model, torch.cat([pool, seen]))
        share = mean.clamp(0.05, 0.95)
        noise = share * (1 - share) / self.rows
        chosen: list[int] = []
        while len(chosen) < min(count, len(pool)):
            moves = covariance / (covariance.diagonal() + noise).clamp(min=1e-12).sqrt()
            gains = expected_maximum(mean, moves[:, : len(pool)])
            gains[chosen] = -torch.inf
            place = int(gains.argmax())
            chosen.append(place)
            covariance -= torch.outer(moves[:, place], moves[:, place])
        return chosen


def expected_maximum(mean: "Tensor", moves: "Tensor") -> "Tensor":
    """E max(mean + moves z) for a standard normal z, one for each column of `moves`.

    Args:
        mean: shape (m).
        moves: shape (m, k): how far each mean moves when what is tried turns out one deviation better.

    The maximum is convex in z with few kinks, so that quadrature with NODES nodes is good to about 1 %
    of its rise.
    """
    import numpy as np
    import torch

    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    total = torch.zeros(moves.shape[1], dtype=moves.dtype)
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        total += weight * (mean[:, None] + node * moves).max(dim=0).values
    return total
