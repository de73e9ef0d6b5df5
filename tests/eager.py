"""A scripted backend that takes its requests as servers do, and requests to ask it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from apo.backends import Completion, Request
from apo.backends.scripted import Scripted
from tests.helpers import Answer

PATIENCE = 10.0


def ask(*names: str) -> list[Request]:
    """Requests with a mark each."""
    return [Request(name, 8, tag=f"{place}") for place, name in enumerate(names)]


@dataclass
class Eager:
    """A scripted backend that takes all requests of a stream before it answers the first, as servers do."""

    answer: Answer
    asked: Counter[str] = field(default_factory=Counter)

    def stream(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer them in order."""
        taken = list(requests)
        self.asked.update(str(request.rendered) for request in taken)
        return Scripted(self.answer).stream(taken)
