"""Log expected improvement (Ament et al. 2023) of each prompt by itself: cheap, for pools of thousands.

`log_nei` draws from the joint belief of pool and measured prompts instead, which costs minutes there.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo.acquisitions._greedy import greedy
from apo.points import joint

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor


@dataclass(frozen=True)
class ExpectedImprovement:
    """Improvement over the highest believed mean of what was seen.

    A batch is chosen one after the other, by the rule of GP-BUCB (Desautels et al. 2014).
    """

    def choose(self, model: "Model", seen: "Tensor", pool: "Tensor", count: int) -> list[int]:
        """The batch of the highest expected improvements, found greedily."""
        from botorch.acquisition.analytic import _log_ei_helper

        best = joint(model, seen)[0].max()

        def improvement(mean: "Tensor", variance: "Tensor") -> "Tensor":
            spread = variance.clamp(min=1e-12).sqrt()
            return _log_ei_helper((mean - best) / spread) + spread.log()

        return greedy(model, pool, count, improvement)
