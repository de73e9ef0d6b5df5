"""A backend that tells a row's own failure from a lost server, and waits for the server to come back.

A row that fails while others are answered has failed by itself. When everything fails, that says
nothing of the rows: they are kept back, and asked again once the server answers.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from apo.backends import Backend, Completion, Request
from apo.backends.retries import TRANSIENT
from apo.candidate import Failure
from apo.errors import RunError
from apo.spec import PATIENCE

MANY = 24
"""Failures with no answer between them that mean that the server is lost."""
SOME = 5
"""The same where the server has never answered yet."""
PROBE_EVERY = 2.0
"""Seconds between two looks whether a lost server is back."""
OWN = frozenset({"context", "refusal"})
"""Kinds that speak of the request alone: the server is well."""
FATAL = frozenset({"authentication", "model"})
"""Kinds that waiting cannot heal and that hit every row."""
Answer = tuple[Request, Completion]


class Patient:
    """Wraps a backend; a failure that it yields is the row's own.

    Args:
        backend: what is asked.
        patience: seconds to wait for a lost server.
        revive: called before each look at a lost server; starts it again if that is ours to do.
        tell: called with the reason while the server is lost, at least once a look, and with None once
            it is back; what it raises ends the wait.
        sleep: lets seconds go by.
    """

    def __init__(
        self,
        backend: Backend,
        patience: float = PATIENCE,
        revive: Callable[[], None] = lambda: None,
        tell: Callable[[str | None], None] = lambda _why: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend, self._patience, self._revive, self._tell = backend, patience, revive, tell
        self._sleep, self._clock = sleep, clock
        self._answered = False

    def stream(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request once; while the server is lost nothing comes.

        Raises:
            RunError: the server refuses the key, answers as another model, takes no request at all, or
                did not come back in time. The rows that were kept back have no answer then.
        """
        batch = _Batch((), iter(requests))
        while True:
            kept: list[Answer] = []
            for request, completion in self._backend.stream(batch):
                if self._well(completion):
                    if not batch.ended:
                        yield from kept
                        kept.clear()
                    yield request, completion
                else:
                    kept.append((request, completion))
                    batch.ended = batch.ended or len(kept) >= (MANY if self._answered else SOME)
            if not (batch.ended or any(_gone(completion) for _, completion in kept)):
                yield from kept
                return
            waiting = deque(kept)
            yield self._wait(waiting)
            batch = _Batch([request for request, _ in waiting], batch)

    def _well(self, completion: Completion) -> bool:
        """Whether an answer shows that the server works."""
        failure = completion.failure
        if failure is not None and failure.kind in FATAL:
            raise RunError(
                f"The model server refuses every request: {_words(failure)} Set that right and go on with "
                "`apo resume`."
            )
        well = failure is None or failure.kind in OWN
        self._answered = self._answered or well
        return well

    def _wait(self, kept: deque[Answer]) -> Answer:
        """Ask the rows in turn, since any may fail for good, until one is answered; it is taken out."""
        began = self._clock()
        while True:
            trouble = next((failure for _, done in kept if (failure := _transient(done))), None)
            if trouble is None:
                raise RunError(f"The model server takes no request at all: {_words(kept[0][1].failure)}")
            if self._clock() - began >= self._patience:
                raise RunError(
                    f"The model server did not come back within {self._patience:.0f} seconds: "
                    f"{_words(trouble)} Bring it back and go on with `apo resume`."
                )
            self._tell(_words(trouble))
            self._revive()
            request, completion = next(iter(self._backend.stream([kept.popleft()[0]])))
            if self._well(completion):
                self._tell(None)
                return request, completion
            kept.append((request, completion))
            self._sleep(PROBE_EVERY)


class _Batch:
    """Requests to ask again, then new ones; once `ended` is set, the rest is for the next batch."""

    def __init__(self, again: Iterable[Request], rest: Iterator[Request]) -> None:
        self.ended = False
        self._again, self._rest = iter(again), rest
        if isinstance(rest, _Batch):
            rest.ended = False

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        if self.ended:
            raise StopIteration
        request = next(self._again, None)
        return request if request is not None else next(self._rest)


def _transient(completion: Completion) -> Failure | None:
    """The failure of a completion, if another try can heal it."""
    failure = completion.failure
    return failure if failure is not None and failure.kind in TRANSIENT else None


def _gone(completion: Completion) -> bool:
    """Whether nothing listens any more, which no row can be blamed for."""
    return completion.failure is not None and completion.failure.kind == "connection"


def _words(failure: Failure | None) -> str:
    return "" if failure is None else f"{failure.kind}: {failure.message.rstrip('.')}."
