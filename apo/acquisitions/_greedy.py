"""Batches chosen one after the other, by any measure of single prompts."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from apo.points import joint

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor

    Value = Callable[[Tensor, Tensor], Tensor]
    """From means and variances, shape (n), to how much each is wanted; a variance may round to below 0."""


def greedy(model: "Model", pool: "Tensor", count: int, value: "Value") -> list[int]:
    """The places of the `count` most wanted prompts, all where there are fewer.

    Each choice makes its neighbours less uncertain, as if its mean had been measured exactly (GP-BUCB,
    Desautels et al. 2014).
    """
    import torch

    mean, covariance = joint(model, pool)
    chosen: list[int] = []
    while len(chosen) < min(count, len(pool)):
        values = value(mean, covariance.diagonal())
        values[chosen] = -torch.inf
        place = int(values.argmax())
        chosen.append(place)
        column = covariance[:, place].clone()
        covariance -= torch.outer(column, column) / column[place].clamp(min=1e-12)
    return chosen
