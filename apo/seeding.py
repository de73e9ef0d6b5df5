"""Every random draw of the project starts here: randomness is a function of place, not of history."""

from random import Random


def rng(seed: int, step: int, purpose: str) -> Random:
    """A fresh generator for one purpose in one step; the same place gives the same draws."""
    return Random(f"{seed}/{step}/{purpose}")
