"""Upper confidence bound (Srinivas et al. 2010): what a prompt may be worth if all goes well."""

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from apo.acquisitions._greedy import greedy

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor


@dataclass(frozen=True)
class UpperConfidence:
    """Mean plus sqrt(`beta`) standard deviations.

    A batch is chosen one after the other, as in GP-BUCB (Desautels et al. 2014).
    """

    beta: float = 2.0

    def __post_init__(self) -> None:
        """Check the options."""
        if not self.beta >= 0:
            raise ValueError(f"beta must be 0 or more, not {self.beta}")

    def choose(self, model: "Model", seen: "Tensor", pool: "Tensor", count: int) -> list[int]:
        """The batch of the highest bounds, found greedily."""
        return greedy(model, pool, count, lambda mean, v: mean + sqrt(self.beta) * v.clamp(min=0).sqrt())
