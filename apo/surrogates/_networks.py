"""The networks of the structural deep kernel; importing this loads torch."""

from typing import Any

import torch
from gpytorch.kernels import Kernel, MaternKernel
from torch import Tensor, nn

INNER, OUTER, LATENT = 64, 32, 10
"""Widths of a part's hidden layer, of the last encoders' inputs, and of the points that the kernel sees."""


class Encoder(nn.Module):
    """Instruction and exemplars through encoders of their own, then both, with the shape, through another."""

    def __init__(self, parts: tuple[int, int, int]) -> None:
        super().__init__()
        self.parts = parts
        self.instruction, self.exemplars = (
            nn.Sequential(nn.Linear(width, INNER), nn.ReLU(), nn.Linear(INNER, OUTER), nn.ReLU())
            for width in parts[:2]
        )
        self.joint = nn.Sequential(
            nn.Linear(2 * OUTER + parts[2], OUTER), nn.ReLU(), nn.Linear(OUTER, LATENT)
        )
        self.double()

    def forward(self, values: Tensor) -> Tensor:
        """Points of shape (…, n, columns) as points of shape (…, n, LATENT)."""
        instruction, exemplars, shape = torch.split(values, list(self.parts), dim=-1)
        joined = [self.instruction(instruction), self.exemplars(exemplars), shape]
        out: Tensor = self.joint(torch.cat(joined, dim=-1))
        return out


class EncodedMatern(Kernel):  # type: ignore[misc]
    """Matérn-5/2 between encoded points, with a length scale for each of their dimensions."""

    has_lengthscale = False

    def __init__(self, parts: tuple[int, int, int]) -> None:
        super().__init__()
        self.encode = Encoder(parts)
        self.base = MaternKernel(nu=2.5, ard_num_dims=LATENT)

    def forward(self, x1: Tensor, x2: Tensor, **options: Any) -> Any:
        """Covariances of two sets of points."""
        return self.base.forward(self.encode(x1), self.encode(x2), **options)
