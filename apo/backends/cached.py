"""Any backend with a store in front: what the same server was asked before is not asked again."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from apo.backends import Answer, Backend, Completion, Request, drop, unmarked
from apo.backends.completions import Completions, Stored

CHECKS = 16
"""How many of the first answers that the store has are asked for anyway."""
LEAST = 8
"""Answers to compare before the store may be distrusted."""
TOLERATED = 0.25
"""Share of compared answers that may differ: batches of another size alone change some."""
AHEAD = 256
"""Most answers of the store that wait while the server is busy."""
FIRST = 32
"""Requests for the server that are read before it is asked the first: few, since they cannot be recalled."""


@dataclass
class _Flow:
    """One stream under way."""

    requests: Iterator[Request]
    hits: deque[Answer] = field(default_factory=deque)
    wanted: deque[Request] = field(default_factory=deque)
    """To be asked of the server."""
    held: deque[tuple[Request, Stored]] = field(default_factory=deque)
    """The store has an answer, but the checks under way must tell first whether to believe it."""
    checking: dict[Request, str] = field(default_factory=dict)
    """Checks under way, without their tags, with the stored texts."""
    fed: bool = False
    """The backend reads `requests`, perhaps in a thread of its own; nobody else may."""


class Cached:
    """Answers from the store where it can, and from the backend else, which the store learns.

    The store is not believed blindly, because another model may answer by now behind the same address
    and name: the first `checks` requests at temperature 0 that it could answer are asked anyway. They
    also show how fast the server is. Answers stored since this object was made need no check.

    Args:
        backend: asked for what the store does not have.
        server: the store's key for it.
        store: may be shared with other objects, threads and processes.
        checks: 0 to believe the store at once.
    """

    def __init__(self, backend: Backend, server: str, store: Completions, checks: int = CHECKS) -> None:
        self._backend, self._server, self._store, self._checks = backend, server, store, checks
        self._least = min(LEAST, checks)
        self._old = store.newest()
        self._guard = threading.Lock()
        self.hits = 0
        """Answers from the store."""
        self.misses = 0
        """Answers, and failures, of the server that were compared with nothing."""
        self.checked = 0
        """Answers of the server that were compared with the stored ones."""
        self.differed = 0
        """How many of those were not the same text."""
        self.distrusted = False
        """Too many differed: what was stored before this object was made is not used."""

    def knows(self, request: Request) -> bool:
        """Whether the store has an answer, believed or not."""
        return self._store.get(self._server, request) is not None

    def stream(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request once: from the store at once, from the server as answers arrive."""
        flow = _Flow(iter(requests))
        while True:
            yield from self._ready(flow)
            if not flow.wanted:
                return
            flow.fed = True
            answers = self._backend.stream(self._feed(flow))
            try:
                for request, completion in answers:
                    self._learn(flow, request, completion)
                    yield request, completion
                    yield from self._ready(flow)
            finally:
                drop(answers)
                flow.fed = False

    def _ready(self, flow: _Flow) -> Iterator[Answer]:
        """Answers from the store: those met while feeding, and while nobody feeds, those that come next.

        So the server is asked nothing before the store was; what it is asked then fills a whole batch.
        """
        while True:
            while flow.hits:
                with self._guard:
                    self.hits += 1
                yield flow.hits.popleft()
            if flow.fed or len(flow.wanted) >= FIRST or len(flow.held) >= AHEAD or not self._read(flow):
                return

    def _feed(self, flow: _Flow) -> Iterator[Request]:
        """What to ask, for the backend, in its own thread if it has one.

        It never waits, since a backend's thread must not. Where the store answers so many in a row that
        the reader has to catch up, it ends, and the next stream of the backend goes on from there.
        """
        try:
            while True:
                while flow.wanted:
                    yield flow.wanted.popleft()
                if len(flow.hits) + len(flow.held) >= AHEAD or not self._read(flow):
                    return
        finally:
            flow.fed = False

    def _read(self, flow: _Flow) -> bool:
        """Put the next request where it belongs; False if there is none."""
        request = next(flow.requests, None)
        if request is None:
            return False
        stored = self._store.get(self._server, request)
        with self._guard:
            self._place(flow, request, stored)
        return True

    def _place(self, flow: _Flow, request: Request, stored: Stored | None) -> None:
        """To the answers, to the server, or among those that wait for the checks; under the guard."""
        if stored is None or (self.distrusted and stored.id <= self._old):
            flow.wanted.append(request)
        elif stored.id > self._old or request.temperature > 0 or self.checked >= self._checks:
            flow.hits.append((request, stored.completion))
        elif self.checked + len(flow.checking) < self._checks and unmarked(request) not in flow.checking:
            flow.checking[unmarked(request)] = stored.completion.text
            flow.wanted.append(request)
        else:
            # There are checks under way; one that fails will make room for another.
            flow.held.append((request, stored))

    def _learn(self, flow: _Flow, request: Request, completion: Completion) -> None:
        """Keep what the server answered, and if it was a check, draw the conclusion."""
        with self._guard:
            before = flow.checking.pop(unmarked(request), None)
            compared = before is not None and completion.failure is None
            same = compared and before == completion.text
            self.checked += compared
            self.misses += not compared
            self.differed += compared and not same
            if self.checked >= self._least and self.differed > TOLERATED * self.checked:
                self.distrusted = True
            if before is not None:
                waiting, flow.held = flow.held, deque()
                for held, stored in waiting:
                    self._place(flow, held, stored)
        if not same:
            self._store.put(self._server, request, completion)
