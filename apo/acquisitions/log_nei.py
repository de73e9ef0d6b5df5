"""Log noisy expected improvement (Ament et al. 2023): how far a prompt may rise above the best one,
where the best is uncertain too, because all scores come from few rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor


@dataclass(frozen=True)
class LogNei:
    """BoTorch's `qLogNoisyExpectedImprovement` over a finite pool, one prompt after the other, each
    with the ones before it pending; `samples` draws (a power of two) from the joint belief."""

    samples: int = 128

    def __post_init__(self) -> None:
        """Check the options."""
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1, not {self.samples}")

    def choose(self, model: "Model", seen: "Tensor", pool: "Tensor", count: int) -> list[int]:
        """The batch of the highest expected improvement, found greedily."""
        import torch
        from botorch.acquisition.logei import qLogNoisyExpectedImprovement
        from botorch.sampling.normal import SobolQMCNormalSampler

        sampler = SobolQMCNormalSampler(torch.Size([self.samples]), seed=0)
        function = qLogNoisyExpectedImprovement(model, seen, sampler, prune_baseline=True)
        chosen: list[int] = []
        while len(chosen) < min(count, len(pool)):
            function.set_X_pending(pool[chosen] if chosen else None)
            with torch.no_grad():
                values = torch.cat([function(part[:, None]) for part in torch.split(pool, 256)])
            values[chosen] = -torch.inf
            chosen.append(int(values.argmax()))
        return chosen
