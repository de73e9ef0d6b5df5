"""Candidates in the order of their worth, kept sorted while a few of many change."""

from bisect import bisect_left, insort
from collections.abc import Iterator

Key = tuple[bool, tuple[float, int, int]]
"""Whether rows are missing, then `History.preference`, which no two candidates share; the best is first."""


class Ranking:
    """Moving one candidate takes the time of a search, not of a sort."""

    def __init__(self) -> None:
        self._order: list[tuple[Key, str]] = []
        self._keys: dict[str, Key] = {}

    def branch(self) -> "Ranking":
        """A copy that can be taken further without changing this one."""
        twin = Ranking()
        twin._order, twin._keys = self._order.copy(), self._keys.copy()
        return twin

    def place(self, candidate: str, key: Key | None) -> None:
        """Put a candidate where its key says, or take it out (None)."""
        old = self._keys.pop(candidate, None)
        if old is not None:
            del self._order[bisect_left(self._order, (old, candidate))]
        if key is not None:
            self._keys[candidate] = key
            insort(self._order, (key, candidate))

    def __iter__(self) -> Iterator[str]:
        return (candidate for _, candidate in self._order)
