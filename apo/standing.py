"""What is computed of candidates, kept until they change; a part of the history that can be made anew."""

from collections.abc import Iterable
from dataclasses import dataclass, field

Place = tuple[bool, tuple[float, int, int]]
"""Sorts candidates that could win, the best first."""


@dataclass
class Standing:
    """Values by candidate id. Only the history changes it."""

    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    """Dev scores by example id."""
    places: dict[str, Place | None] = field(default_factory=dict)
    """None for a candidate that cannot win."""
    moved: set[str] = field(default_factory=set)
    """Candidates that have changed since the best one was found."""
    best: str | None = None
    """The best one when it was last looked for."""

    def forget(self, candidates: Iterable[str]) -> None:
        """These candidates have changed."""
        for candidate in candidates:
            self.scores.pop(candidate, None)
            self.places.pop(candidate, None)
            self.moved.add(candidate)

    def rivals(self, everybody: Iterable[str]) -> list[str]:
        """Those among whom the best one is now: only those that moved can have overtaken it."""
        rivals = list(everybody)
        if self.best is not None and self.best not in self.moved:
            rivals = [self.best, *(c for c in self.moved if c in everybody)]
        self.moved.clear()
        return rivals
