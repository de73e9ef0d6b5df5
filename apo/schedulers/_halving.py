"""What successive halving and hyperband share: options that make rungs, and how many there can be."""

import math


def check(eta: int, least_rows: int) -> None:
    """Refuse options that make no rungs.

    Raises:
        ValueError: saying what they must be.
    """
    if eta < 2 or least_rows < 1:
        raise ValueError(f"eta must be at least 2 and least_rows at least 1, not {eta} and {least_rows}")


def levels(ratio: float, eta: int) -> int:
    """How often `ratio` can be divided by `eta` and stay at least 1; 0 where it is below that."""
    return math.floor(math.log(max(ratio, 1), eta) + 1e-9)
