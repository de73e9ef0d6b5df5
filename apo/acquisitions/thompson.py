"""Thompson sampling: each prompt of a batch is the best one in a world drawn from the belief."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor


@dataclass(frozen=True)
class Thompson:
    """BoTorch's `MaxPosteriorSampling` over a finite pool, without repeats."""

    def choose(self, model: "Model", seen: "Tensor", pool: "Tensor", count: int) -> list[int]:
        """The best of each of so many draws, different ones."""
        import torch
        from botorch.generation.sampling import MaxPosteriorSampling

        with torch.no_grad():
            strategy = MaxPosteriorSampling(model, replacement=False)
            best = strategy(pool, num_samples=min(count, len(pool)))
        return _places(best, pool)


def _places(chosen: "Tensor", pool: "Tensor") -> list[int]:
    """Where rows stand in the pool; equal rows are told apart by taking each place once."""
    found: list[int] = []
    for row in chosen:
        same = (pool == row).all(dim=-1).nonzero().squeeze(-1).tolist()
        found.append(next(place for place in same if place not in found))
    return found
