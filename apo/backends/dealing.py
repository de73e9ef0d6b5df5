"""Which of several servers is asked what: the requests of one stream, dealt as servers have room for them.

Whoever answers faster has room more often, so load follows speed by itself. Requests that begin alike are
kept together, since a server remembers the beginning that it has read last (its prefix cache). Once the
end is in sight each server takes no more than its share, and one with nothing left to do is also asked
what another has had for too long: backup tasks, as in MapReduce (Dean & Ghemawat 2004, section 3.6).
"""

import math
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from apo.backends import Answer, Backend, Completion, Request
from apo.backends.patient import OWN
from apo.candidate import Failure, Usage
from apo.prompt import as_text

AHEAD = 64
"""Requests that are read before a server has room for them, to choose among."""
BACKUP = 1.5
"""A request is asked of a second server once it has taken so many times what that one takes for an answer."""
SMOOTHING = 0.1
"""Weight of the newest answer in a server's time for an answer."""
POLL = 0.1
"""Seconds between two looks whether there is something to do."""


@dataclass(eq=False)
class Server:
    """One of several servers of the same model, and how it fares."""

    name: str
    """As people know it."""
    backend: Backend
    look: Callable[[], Failure | None] = lambda: None
    """Why it cannot be asked; None: it can."""
    lost: Failure | None = None
    """Why it is asked nothing; None: it is well."""
    trial: bool = False
    """It was lost and seems well: it is asked one request before it gets more."""
    in_a_row: int = 0
    """Failures since its last answer."""
    seconds: float | None = None
    """What an answer takes, smoothed; None: it has given none."""
    begin: str = ""
    """The first half of what it was asked last."""
    told: bool = False
    """People know that it is lost."""
    watched: bool = False
    """Somebody looks whether it is back."""

    def took(self, seconds: float) -> None:
        """An answer took so long."""
        if self.seconds is None:
            self.seconds = seconds
        self.seconds += SMOOTHING * (seconds - self.seconds)


@dataclass(eq=False)
class _Job:
    """A request on its way to an answer."""

    request: Request
    number: int
    text: str
    holders: dict[Server, float] = field(default_factory=dict)
    """Who is asked, and since when."""
    failed: dict[Server, Completion] = field(default_factory=dict)
    """Who could not answer it. Nobody is asked twice, since it may be what takes servers down."""


class Deal:
    """The requests of one stream; all methods may be called from any thread.

    Args:
        requests: read by one thread at a time, `AHEAD` before they are asked.
        servers: who can be asked.
        guard: held while this object, or what it knows of the servers, changes.
        clock: seconds.
    """

    def __init__(
        self,
        requests: Iterator[Request],
        servers: Sequence[Server],
        guard: threading.Condition,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests, self._servers, self._guard, self._clock = requests, servers, guard, clock
        self._waiting: deque[_Job] = deque()
        self._under_way: dict[int, _Job] = {}
        self._held: Counter[Server] = Counter()
        self._count = 0
        self._exhausted = False
        self.answers: queue.SimpleQueue[Answer | BaseException | None] = queue.SimpleQueue()
        """Each request's answer, once; None follows the last."""

    @property
    def over(self) -> bool:
        """Whether every request has its answer."""
        return self._exhausted and not self._waiting and not self._under_way

    def wait(self, server: Server) -> bool:
        """Wait until there is something to ask a server; False: there will be nothing any more."""
        with self._guard:
            while self._pick(server) is None:
                if self.over:
                    return False
                self._guard.wait(POLL)
            return True

    def take(self, server: Server) -> Iterator[Request]:
        """What to ask a server that has room, for as long as there is something; each with a mark of ours."""
        while True:
            with self._guard:
                job = self._pick(server)
                if job is None:
                    return
                if not job.holders:
                    self._waiting.remove(job)
                    self._under_way[job.number] = job
                job.holders[server] = self._clock()
                self._held[server] += 1
                server.begin = job.text[: len(job.text) // 2]
            yield replace(job.request, tag=str(job.number))

    def settle(self, server: Server, request: Request, completion: Completion) -> None:
        """A server has answered what it was asked, or could not: then another is asked, if one is left."""
        with self._guard:
            job = self._under_way.get(int(request.tag))
            if job is None or server not in job.holders:
                return  # another was faster
            self._drop(job, server)
            if completion.failure is None or completion.failure.kind in OWN:
                self._finish(job, completion)
            else:
                job.failed[server] = completion
                self._again(job)

    def give_back(self, server: Server) -> None:
        """Ask others what a server has not answered."""
        with self._guard:
            for job in [job for job in self._under_way.values() if server in job.holders]:
                self._drop(job, server)
                self._again(job)
            for job in list(self._waiting):
                self._waiting.remove(job)
                self._again(job)

    def forfeit(self, why: Failure) -> Iterator[Answer]:
        """All that has no answer yet, as failed, while no server is well; requests are read one by one."""
        while True:
            with self._guard:
                self._read(1)
                none = not self._waiting and not self._under_way
                if none or any(server.lost is None for server in self._servers):
                    return
                job = self._waiting[0] if self._waiting else next(iter(self._under_way.values()))
                self._remove(job)
            yield job.request, Completion("", Usage(), failure=why)

    def close(self) -> None:
        """Ask nothing any more."""
        with self._guard:
            self._exhausted = True
            for job in [*self._waiting, *self._under_way.values()]:
                self._remove(job)
            self._guard.notify_all()

    def _pick(self, server: Server) -> _Job | None:
        """What to ask a server next, if it may be asked anything now."""
        held = self._held[server]
        if server.lost is not None or (server.trial and held):
            return None
        self._read(AHEAD)
        mine = [job for job in self._waiting if server not in job.failed]
        if not mine:
            return self._straggler(server)
        if held >= self._share(server):
            return None
        begun = [s.begin for s in self._servers if s is not server and s.begin and s.lost is None]
        like = (job for job in mine if server.begin and job.text.startswith(server.begin))
        free = (job for job in mine if not any(job.text.startswith(begin) for begin in begun))
        return next(like, None) or next(free, None) or mine[0]

    def _read(self, most: int) -> None:
        """Let `most` requests wait, if there are so many."""
        while not self._exhausted and len(self._waiting) < most:
            try:
                request = next(self._requests, None)
            except BaseException:
                self._exhausted = True
                raise
            if request is None:
                self._exhausted = True
                return
            self._waiting.append(_Job(request, self._count, as_text(request.rendered)))
            self._count += 1

    def _share(self, server: Server) -> float:
        """Most requests for a server at once: near the end as many as it answers while others answer theirs.

        A server's weight is one over the time that it takes for an answer, which grows with its load.
        """
        if not self._exhausted:
            return math.inf
        known = [s.seconds for s in self._servers if s.seconds]
        usual = sum(known) / len(known) if known else 1.0
        weights = {s: 1 / (s.seconds or usual) for s in self._servers if s.lost is None}
        left = len(self._waiting) + len(self._under_way)
        return math.ceil(left * weights[server] / sum(weights.values()))

    def _straggler(self, server: Server) -> _Job | None:
        """What another server has had for so long that this one would have answered it."""
        if not self._exhausted or not server.seconds:
            return None
        before = self._clock() - BACKUP * server.seconds
        for job in self._under_way.values():
            alone = len(job.holders) == 1 and server not in job.holders and server not in job.failed
            if alone and max(job.holders.values()) < before:
                return job
        return None

    def _drop(self, job: _Job, server: Server) -> None:
        """A server is not asked this any more."""
        del job.holders[server]
        self._held[server] -= 1

    def _again(self, job: _Job) -> None:
        """Let a request wait for another server; it has failed if all that are well could not answer it."""
        if job.holders:
            return
        well = [server for server in self._servers if server.lost is None]
        if well and all(server in job.failed for server in well):
            self._finish(job, job.failed[well[-1]])
        else:
            self._under_way.pop(job.number, None)
            self._waiting.append(job)
        self._guard.notify_all()

    def _finish(self, job: _Job, completion: Completion) -> None:
        """A request has its answer."""
        self._remove(job)
        self.answers.put((job.request, completion))
        if self.over:
            self._guard.notify_all()

    def _remove(self, job: _Job) -> None:
        """Nobody is to answer this any more. Who is still asked would take longer than until now."""
        for server, since in list(job.holders.items()):
            server.took(max(self._clock() - since, server.seconds or 0.0))
            self._drop(job, server)
        self._under_way.pop(job.number, None)
        if job in self._waiting:
            self._waiting.remove(job)
