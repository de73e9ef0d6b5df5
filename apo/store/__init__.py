"""Where events are kept: two methods, the journal on disk and a list in memory."""

from collections.abc import Iterator
from typing import Protocol

from apo.events import Event, Record


class Store(Protocol):
    """An append-only sequence of records with one writer."""

    def append(self, event: Event) -> Record:
        """Stamp an event with its place and time and keep it; returns what was kept."""
        ...

    def read(self, start: int = 0) -> Iterator[Record]:
        """The records from running number `start` on."""
        ...
