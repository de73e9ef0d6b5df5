"""A store in memory: for tests and documentation."""

from collections.abc import Callable, Iterable, Iterator

from apo.events import Event, Record


class MemoryStore:
    """A list of records; `clock` gives their times (seconds)."""

    def __init__(self, records: Iterable[Record] = (), clock: Callable[[], float] = lambda: 0.0) -> None:
        self.records = list(records)
        self._clock = clock

    def append(self, event: Event) -> Record:
        """Keep one more event."""
        record = Record(len(self.records), self._clock(), event)
        self.records.append(record)
        return record

    def read(self, start: int = 0) -> Iterator[Record]:
        """The records from `start` on."""
        return iter(self.records[start:])
