"""What a network leaves of the scores: a Gaussian process beside it; importing this loads torch.

Near points leave alike, as the network smooths narrow peaks over, and prompts, instructions and exemplar
lists have something of their own. How much of each there is, and how near is near, the scores say: all is
brought to its posterior mode with the tangent kernel's share, as the options of the Gaussian process are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import torch
from gpytorch.kernels import Kernel
from torch import Tensor

from apo.surrogates._process import columns, optimize, own, process, product, scaled
from apo.surrogates._tangent import Factors

Columns = tuple[int, ...] | None
"""Columns of points; None for all."""
FEWEST = 5
"""Points from which a residual is learned."""
SPREAD = 0.99
"""Least standard deviation of standardized scores: less means that they hardly vary."""


@dataclass(frozen=True)
class Residual:
    """The covariance of what a network leaves."""

    kernel: Kernel
    explained: float
    """Variance of what the tangent kernel explains, in the same units."""

    def between(self, some: Tensor, others: Tensor) -> Tensor:
        """Shape (n, m) for points of shape (n, d) and (m, d)."""
        with torch.no_grad():
            return torch.as_tensor(self.kernel(some, others).to_dense())

    def alone(self, points: Tensor) -> Tensor:
        """Of each point, shape (n)."""
        with torch.no_grad():
            return torch.as_tensor(self.kernel(points, diag=True))


class _Known(Kernel):  # type: ignore[misc]
    """A kernel of which only the matrix over what was seen is known; enough to learn scales."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = matrix

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **options: Any) -> Tensor:
        """The matrix."""
        return self.matrix.diagonal() if diag else self.matrix


def residual(
    seen: Tensor, parts: tuple[int, ...], network: Factors, scores: Tensor, noise: Tensor
) -> Residual | None:
    """What the network leaves; None where there is too little to learn it from.

    Args:
        seen: points, shape (n, d).
        parts: how many columns each part has; empty if points have none.
        network: the untrained network's gradients at them.
        scores: standardized, shape (n).
        noise: their variances, shape (n).
    """
    if len(seen) < FEWEST or float(scores.std(correction=0)) < SPREAD:
        return None
    kernel = network.products(network)
    whole = scaled(_Known(kernel / kernel.diagonal().mean()))
    left = [product(parts or (seen.shape[1],)), *(own(group) for group in _groups(seen, parts))]
    beside = reduce(add, map(scaled, left))
    optimize(process(seen, scores.numpy(), noise.numpy(), beside + whole))
    return Residual(beside, float(whole.outputscale))


def _groups(seen: Tensor, parts: Sequence[int]) -> list[Columns]:
    """All columns, and those of each part by which points fall into other groups, but not into one."""
    found: dict[tuple[int, ...], Columns] = {_grouped(seen): None}
    for group in columns(parts):
        found.setdefault(_grouped(seen[:, list(group)]), group)
    return [group for places, group in found.items() if group is None or len(set(places)) > 1]


def _grouped(points: Tensor) -> tuple[int, ...]:
    return tuple(torch.unique(points, dim=0, return_inverse=True)[1].tolist())
