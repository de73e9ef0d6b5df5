"""Acquisition functions: components that choose which prompts are worth evaluating."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor


class Acquisition(Protocol):
    """Chooses a batch; a frozen dataclass whose fields are its options."""

    def choose(self, model: "Model", seen: "Tensor", pool: "Tensor", count: int) -> list[int]:
        """`count` different rows of `pool` (all, if it has fewer), the most wanted first.

        Args:
            model: a surrogate fitted to what was seen.
            seen: shape (n, d), points that were evaluated, at least one.
            pool: shape (m, d), points that were not.
            count: at least 1.

        Draws come from torch's generator, which the caller seeds.
        """
        ...
