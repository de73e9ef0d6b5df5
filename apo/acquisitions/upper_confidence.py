"""Upper confidence bound (Srinivas et al. 2010): what a prompt may be worth if all goes well."""

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from apo.points import joint

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor


@dataclass(frozen=True)
class UpperConfidence:
    """Mean plus sqrt(`beta`) standard deviations.

    A batch is chosen one after the other; each choice makes its neighbours less uncertain, as if its
    mean had been measured exactly (GP-BUCB, Desautels et al. 2014).
    """

    beta: float = 2.0

    def __post_init__(self) -> None:
        """Check the options."""
        if not self.beta >= 0:
            raise ValueError(f"beta must be 0 or more, not {self.beta}")

    def choose(self, model: "Model", seen: "Tensor", pool: "Tensor", count: int) -> list[int]:
        """The batch of the highest bounds, found greedily."""
        import torch

        mean, covariance = joint(model, pool)
        chosen: list[int] = []
        while len(chosen) < min(count, len(pool)):
            spread = covariance.diagonal().clamp(min=0).sqrt()
            bounds = mean + sqrt(self.beta) * spread
            bounds[chosen] = -torch.inf
            place = int(bounds.argmax())
            chosen.append(place)
            column = covariance[:, place].clone()
            covariance -= torch.outer(column, column) / column[place].clamp(min=1e-12)
        return chosen
