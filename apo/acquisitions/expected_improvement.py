"""Log expected improvement (Ament et al. 2023) of each prompt by itself: cheap, for pools of thousands.

`log_nei` draws from the joint belief of pool and measured prompts instead, which costs minutes there.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo.points import joint

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor


@dataclass(frozen=True)
class ExpectedImprovement:
    """Improvement over the highest believed mean of what was seen.

    A batch is chosen one after the other; each choice makes its neighbours less uncertain, as if its mean
    had been measured exactly (GP-BUCB's rule, Desautels et al. 2014).
    """

    def choose(self, model: "Model", seen: "Tensor", pool: "Tensor", count: int) -> list[int]:
        """The batch of the highest expected improvements, found greedily."""
        import torch
        from botorch.acquisition.analytic import _log_ei_helper

        best = joint(model, seen)[0].max()
        mean, covariance = joint(model, pool)
        chosen: list[int] = []
        while len(chosen) < min(count, len(pool)):
            spread = covariance.diagonal().clamp(min=1e-12).sqrt()
            values = _log_ei_helper((mean - best) / spread) + spread.log()
            values[chosen] = -torch.inf
            place = int(values.argmax())
            chosen.append(place)
            column = covariance[:, place].clone()
            covariance -= torch.outer(column, column) / column[place].clamp(min=1e-12)
        return chosen
