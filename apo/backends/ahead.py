"""A backend that is asked for what will probably be wanted, while it has nothing else to do.

A batch ends with its slowest answers, and a server that works on a few requests at once wastes most of its
speed. What it is asked meanwhile is kept until somebody asks for it, so a wrong guess costs the server's idle
time and a right one saves the wait. What is sure to be asked may take all room that there is; a guess takes
little, since it holds up what is wanted. An answer is given for the very request alone, so nothing that is
decided depends on what was expected.
"""

import queue
import threading
from asyncio import CancelledError
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from apo.backends import Answer, Backend, Completion, Request, drop, unmarked

ENOUGH = 8
"""Requests under way that keep a backend busy, where it does not say."""
ROOM = 8
"""How many times as many a backend answers at about its full speed."""
KEPT = 4096
"""Most answers that wait to be asked for; a quarter of them may be for a later time."""
ASKERS = 32
"""Threads that ask ahead."""
GROUPS = 8
"""One over the share of what may be under way that must be free before more is asked."""
Queue = OrderedDict[Request, None]
"""Requests without their marks, the first to be asked first."""


@dataclass
class _Flow:
    """One stream under way."""

    requests: Iterator[Request]
    here: deque[Answer] = field(default_factory=deque)
    """Answers that were there already."""
    waiting: dict[Request, Request] = field(default_factory=dict)
    """Those that were expected and are under way, by what they are without their mark."""


class Ahead:
    """Wraps a backend that may be streamed from by several threads at once.

    Once the stream under way has handed out all its requests, others are asked: first what is sure to be
    asked next, then what is sure to be asked some time, both until ROOM times `enough` are under way, then
    guesses, until `enough` are. Only what takes long is asked early, at any time. Failures are dropped: who
    wants the answer asks again.

    Args:
        backend: what is asked.
        enough: how many requests under way keep the backend busy now.
    """

    def __init__(self, backend: Backend, enough: Callable[[], int] = lambda: ENOUGH) -> None:
        self._backend, self._enough = backend, enough
        self._changed = threading.Condition()
        self._sure: Queue = OrderedDict()
        self._spare: Queue = OrderedDict()
        self._named: set[Request] = set()
        """All that was ever spare or early."""
        self._guessed: Queue = OrderedDict()
        self._under_way: set[Request] = set()
        self._handed_out: set[Request] = set()
        """What the stream under way was given: its asker may not know all answers yet."""
        self._wanted = 0
        """How many of these are asked and have no answer yet."""
        self._answers: OrderedDict[Request, Completion] = OrderedDict()
        self._idle = self._closed = False
        self._groups: queue.SimpleQueue[list[Request] | None] = queue.SimpleQueue()
        """What is to be asked ahead; None: no more."""
        # Begun now: beside a busy engine a new thread waits up to 150 ms for a processor, an old one 2.
        for _ in range(ASKERS):
            threading.Thread(target=self._work, name="ahead", daemon=True).start()
        self.asked = 0
        """Requests that were asked ahead of time."""
        self.used = 0
        """How many of their answers were wanted later."""

    @property
    def ending(self) -> bool:
        """Whether the stream under way has nothing more to hand out, and little is left of it."""
        return self._idle and self._wanted <= 2 * self._enough()

    @property
    def roomy(self) -> bool:
        """Whether the stream under way leaves room for what is sure."""
        return self._idle and self._wanted <= self._room

    @property
    def far(self) -> int:
        """How many requests to look ahead: the last of a stream, and what can be asked meanwhile."""
        return 2 * self._room

    @property
    def _busy(self) -> int:
        return self._wanted + len(self._under_way)

    @property
    def _room(self) -> int:
        return ROOM * self._enough()

    def expect(self, sure: Iterable[Request], guessed: Iterable[Request] = ()) -> None:
        """What will be asked for next, and what may be, in order; forget what was expected before."""
        with self._changed:
            self._sure, self._guessed = self._new(sure), self._new(guessed)
            self._top_up()

    def spare(self, requests: Iterable[Request]) -> None:
        """What will be asked for some time, before what was named earlier; each is asked once at most."""
        with self._changed:
            self._spare = self._unnamed(islice(requests, KEPT // 4)) | self._spare

    def early(self, requests: Iterable[Request]) -> None:
        """Ask now, whatever is under way, what will be wanted some time and takes long; each once at most."""
        with self._changed:
            new = self._unnamed(requests)
            self._under_way.update(new)
            self._start([*new])

    def _unnamed(self, requests: Iterable[Request]) -> Queue:
        new = self._new(r for r in requests if unmarked(r) not in self._named)
        self._named.update(new)
        return new

    def _new(self, requests: Iterable[Request]) -> Queue:
        if self._closed:
            return OrderedDict()
        known = (self._answers, self._under_way, self._handed_out)
        plain = (unmarked(request) for request in requests)
        return OrderedDict.fromkeys(r for r in plain if not any(r in one for one in known))

    def stream(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request once."""
        flow = _Flow(iter(requests))
        with self._changed:
            self._idle, self._wanted = False, 0
            self._sure.clear()
            self._guessed.clear()
            self._handed_out.clear()
        answers = self._backend.stream(self._feed(flow))
        try:
            for answer in answers:
                with self._changed:
                    self._wanted -= 1
                    self._top_up()
                yield answer
                yield from self._ready(flow)
            yield from self._rest(flow)
        finally:
            self._idle = False
            drop(answers)

    def close(self) -> None:
        """Expect nothing any more, and ask nothing that was not begun."""
        with self._changed:
            self._closed = True
            for waiting in (self._sure, self._spare, self._guessed):
                waiting.clear()
            with suppress(queue.Empty):
                while (group := self._groups.get_nowait()) is not None:
                    self._under_way.difference_update(group)
            self._changed.notify_all()
        for _ in range(ASKERS):
            self._groups.put(None)

    def _feed(self, flow: _Flow) -> Iterator[Request]:
        """What is to be asked; maybe in the backend's thread, so it never waits for an answer."""
        for request in flow.requests:
            plain = unmarked(request)
            with self._changed:
                self._handed_out.add(plain)
                self._spare.pop(plain, None)
                if plain in self._answers:
                    flow.here.append((request, self._take(plain)))
                    continue
                if plain in self._under_way and plain not in flow.waiting:
                    flow.waiting[plain] = request
                    continue
                self._wanted += 1
            yield request
        with self._changed:
            self._idle = True
            self._top_up()

    def _take(self, plain: Request) -> Completion:
        self.used += 1
        return self._answers.pop(plain)

    def _ready(self, flow: _Flow) -> Iterator[Answer]:
        """Answers that need no more waiting."""
        with self._changed:
            for plain in [plain for plain in flow.waiting if plain in self._answers]:
                flow.here.append((flow.waiting.pop(plain), self._take(plain)))
        while flow.here:
            yield flow.here.popleft()

    def _rest(self, flow: _Flow) -> Iterator[Answer]:
        """Wait for what is under way; what failed there is asked here."""
        while True:
            yield from self._ready(flow)
            if not flow.waiting:
                return
            with self._changed:
                gone = [plain for plain in flow.waiting if plain not in self._under_way]
                lost = [flow.waiting.pop(plain) for plain in gone if plain not in self._answers]
                if not gone:
                    self._changed.wait()
            if lost:
                yield from self._backend.stream(lost)

    def _top_up(self) -> None:
        """Ask what is expected, once there is room for some: what goes out together begins alike."""
        new: list[Request] = []
        room = self._room
        for waiting, most in ((self._sure, room), (self._spare, room), (self._guessed, self._enough())):
            if not self._idle or self._busy > most - max(1, most // GROUPS):
                continue
            while waiting and self._busy < most:
                request, _ = waiting.popitem(last=False)
                if request not in self._under_way and request not in self._answers:
                    self._under_way.add(request)
                    new.append(request)
        self._start(new)

    def _start(self, requests: list[Request]) -> None:
        if requests:
            self.asked += len(requests)
            self._groups.put(requests)

    def _work(self) -> None:
        while (requests := self._groups.get()) is not None:
            self._ask(requests)

    def _ask(self, requests: list[Request]) -> None:
        rest = set(requests)
        # What breaks the backend is told to who wants an answer of it.
        with suppress(Exception, CancelledError):
            for request, completion in self._backend.stream(requests):
                rest.discard(request)
                with self._changed:
                    self._came(request, completion)
        with self._changed:
            self._under_way -= rest
            self._top_up()
            self._changed.notify_all()

    def _came(self, request: Request, completion: Completion) -> None:
        self._under_way.discard(request)
        if completion.failure is None:
            self._answers[request] = completion
        if len(self._answers) > KEPT:
            self._answers.popitem(last=False)
        self._top_up()
        self._changed.notify_all()
