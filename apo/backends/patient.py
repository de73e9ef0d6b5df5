"""A backend that tells a row's own failure from a lost server, and waits for the server to come back.

A failure says something of its row only while the server is well. So what failed is kept back until the
server is seen to answer something that it answered before; then it is asked once more, and what fails
again while the server is still well has failed by itself. If the server is lost again over it, one of the
requests may be what takes it down: from then on they are asked one at a time, and one over which the
server is lost for the third time has failed by itself too. Otherwise a run would start its server for ever.
"""

import time
from collections.abc import Callable, Iterable, Iterator

from apo.backends import Answer, Backend, Completion, Request
from apo.backends.retries import TRANSIENT
from apo.candidate import Failure
from apo.errors import RunError, ServerError
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


class Patient:
    """Wraps a backend; a failure that it yields is the row's own.

    Args:
        backend: what is asked.
        patience: seconds to wait for a lost server.
        revive: called before each look at a lost server; starts it again if that is ours to do. It may
            raise ServerError, which is told.
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
        self._witness: Request | None = None
        """Something that the server has answered: if it answers it again, it is well."""

    def stream(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request once; while the server is lost nothing comes.

        Raises:
            RunError: the server refuses the key, answers as another model, takes no request at all, or
                did not come back in time. The rows that were kept back have no answer then.
        """
        batch = _Batch(iter(requests))
        while True:
            kept: list[Answer] = []
            for request, completion in self._backend.stream(batch):
                if self._well(request, completion):
                    batch.in_a_row = 0
                    yield request, completion
                else:
                    kept.append((request, completion))
                    batch.in_a_row += 1
                    batch.ended = batch.in_a_row >= (SOME if self._witness is None else MANY)
            if kept:
                yield from self._settle(kept, batch.ended)
            if not batch.ended:
                return
            batch = _Batch(batch.rest)

    def _well(self, request: Request, completion: Completion) -> bool:
        """Whether an answer shows that the server works."""
        failure = completion.failure
        if failure is not None and failure.kind in FATAL:
            raise RunError(
                f"The model server refuses every request: {_words(failure)} Set that right and go on with "
                "`apo resume`."
            )
        if failure is None:
            self._witness = request
        return failure is None or failure.kind in OWN

    def _settle(self, kept: list[Answer], many: bool) -> Iterator[Answer]:
        """What becomes of the rows that failed: an answer, or a failure that is their own."""
        gone = any(c.failure is not None and c.failure.kind == "connection" for _, c in kept)
        if self._witness is None and not many and not gone:
            yield from kept  # a few of the first: nothing is known of the server yet
            return
        alone = False
        while kept:
            yield from self._until_well(kept)
            yield from (answer for answer in kept if not _transient(answer[1]))
            waiting = [answer for answer in kept if _transient(answer[1])]
            asked, kept = (waiting[:1], waiting[1:]) if alone else (waiting, [])
            again: list[Answer] = []
            for request, completion in self._backend.stream([request for request, _ in asked]):
                if self._well(request, completion):
                    yield request, completion
                else:
                    again.append((request, completion))
            if again and not alone and not self._is_well():
                kept, alone = again, True
            else:
                yield from again

    def _is_well(self) -> bool:
        """Whether the server answers what it answered before."""
        return self._witness is None or self._well(*self._ask(self._witness))

    def _ask(self, request: Request) -> Answer:
        return next(iter(self._backend.stream([request])))

    def _until_well(self, kept: list[Answer]) -> Iterator[Answer]:
        """Look again and again until the server answers the witness, or without one a row that was kept.

        Rows are asked in turn, since any may fail for good; one that is answered is taken out.
        """
        began = self._clock()
        lost = False
        while True:
            own = self._witness is None
            request, completion = self._ask(self._witness or kept.pop(0)[0])
            if self._well(request, completion):
                break
            if own:
                kept.append((request, completion))
            self._check_patience([completion, *(c for _, c in kept)], self._clock() - began)
            lost = True
            self._sleep(PROBE_EVERY)
        if lost:
            self._tell(None)
        if own:
            yield request, completion

    def _check_patience(self, failed: list[Completion], waited: float) -> None:
        """Say that the server is lost, and try to bring it back.

        Raises:
            RunError: that is of no use, or takes too long.
        """
        trouble = next((failure for done in failed if (failure := _transient(done))), None)
        if trouble is None:
            raise RunError(f"The model server takes no request at all: {_words(failed[0].failure)}")
        if waited >= self._patience:
            raise RunError(
                f"The model server did not come back within {self._patience:.0f} seconds: "
                f"{_words(trouble)} Bring it back and go on with `apo resume`."
            )
        self._tell(_words(trouble))
        try:
            self._revive()
        except ServerError as error:  # such as for memory that is still taken: it is tried again
            self._tell(str(error).partition("\n")[0])


class _Batch:
    """Requests as long as `ended` is not set; `rest` holds those that are left then."""

    def __init__(self, rest: Iterator[Request]) -> None:
        self.rest = rest
        self.ended = False
        self.in_a_row = 0
        """Failures since the last answer."""

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        if self.ended:
            raise StopIteration
        return next(self.rest)


def _transient(completion: Completion) -> Failure | None:
    """The failure of a completion, if another try can heal it."""
    failure = completion.failure
    return failure if failure is not None and failure.kind in TRANSIENT else None


def _words(failure: Failure | None) -> str:
    return "" if failure is None else f"{failure.kind}: {failure.message.rstrip('.')}."
