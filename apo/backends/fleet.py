"""Several servers of one model as one backend: faster ones answer more, and one that dies is survived.

A server that fails is asked nothing until it answers again, which is looked at from time to time; what it
has not answered is asked of the others. Only when none is left do requests fail.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from apo.backends import Answer, Completion, Request, drop
from apo.backends.dealing import POLL, Deal, Server
from apo.backends.patient import FATAL, OWN
from apo.candidate import Failure

FEW = 3
"""Failures in a row after which a server is asked nothing until somebody has looked at it."""
LOOK_EVERY = 10.0
"""Seconds between two looks whether a lost server is back."""


class Fleet:
    """Streams requests to several servers of the same model.

    Args:
        servers: at least one; those that are lost already are watched.
        tell: told, in the thread that reads a stream, when a server is lost and when it answers again.
        look_every: seconds between two looks at a lost server.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        tell: Callable[[str], None] = lambda _news: None,
        look_every: float = LOOK_EVERY,
    ) -> None:
        self.tell = tell
        self._servers, self._look_every = tuple(servers), look_every
        self._guard = threading.Condition()
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._closed = threading.Event()
        for server in self._servers:
            if server.lost is not None:
                self._lose(server, server.lost)

    def stream(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request once, as answers arrive; failed are those that no server could answer."""
        deal = Deal(iter(requests), self._servers, self._guard)
        under_way: list[Any] = []
        for server in self._servers:
            threading.Thread(target=self._serve, args=(deal, server, under_way), daemon=True).start()
        try:
            while True:
                self._pass_on_news()
                try:
                    answer = deal.answers.get(timeout=POLL)
                except queue.Empty:
                    if self._none_left():
                        yield from deal.forfeit(self._why())
                    continue
                if answer is None:
                    return
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
        finally:
            deal.close()
            for stream in list(under_way):
                _close(stream)

    def close(self) -> None:
        """Look at no server any more."""
        self._closed.set()

    def _serve(self, deal: Deal, server: Server, under_way: list[Any]) -> None:
        """Ask a server as long as there is something to ask; in a thread of its own."""
        try:
            while deal.wait(server):
                stream = server.backend.stream(deal.take(server))
                under_way.append(stream)
                try:
                    for request, completion in stream:
                        self._note(server, completion)
                        deal.settle(server, request, completion)
                        if server.lost is not None:
                            break
                finally:
                    under_way.remove(stream)
                    _close(stream)
                deal.give_back(server)
        except BaseException as error:
            deal.answers.put(error)
        finally:
            deal.answers.put(None)

    def _note(self, server: Server, completion: Completion) -> None:
        """What an answer says of its server."""
        failure = completion.failure
        with self._guard:
            if failure is None or failure.kind in OWN:
                server.in_a_row, server.trial = 0, False
                server.took(completion.usage.seconds)
                if server.told:
                    server.told = False
                    self._news.put(f"The server at {server.name} answers again.")
                return
            if failure.kind == "request":
                # It lives. Whether it is the prompt or the server that is not fit for it others will tell.
                server.in_a_row, server.trial = 0, False
                return
            server.in_a_row += 1
            gone = failure.kind == "connection" or failure.kind in FATAL
            if gone or server.trial or server.in_a_row >= FEW:
                self._lose(server, failure)

    def _lose(self, server: Server, why: Failure) -> None:
        """Ask a server nothing until somebody has looked at it."""
        with self._guard:
            server.lost = why
            if not server.watched:
                server.watched = True
                threading.Thread(target=self._watch, args=(server,), daemon=True).start()

    def _watch(self, server: Server) -> None:
        """Look at a lost server until it is well."""
        while True:
            self._look(server)
            with self._guard:
                if server.lost is None or self._closed.is_set():
                    server.watched = False
                    return
                if not server.told:
                    server.told = True
                    why = f"{server.lost.kind}: {server.lost.message.rstrip('.')}"
                    self._news.put(
                        f"The server at {server.name} is lost ({why}). The others go on without it."
                    )
            self._closed.wait(self._look_every)

    def _look(self, server: Server) -> None:
        """Let a lost server try one request, if it seems well."""
        failure = server.look()
        with self._guard:
            if server.lost is None:
                return
            server.lost = failure
            server.trial, server.in_a_row = True, 0
            self._guard.notify_all()

    def _none_left(self) -> bool:
        """Whether all servers are lost, as a look at each shows."""
        if not all(server.lost is not None for server in self._servers):
            return False
        with ThreadPoolExecutor(len(self._servers)) as looking:
            list(looking.map(self._look, self._servers))
        return all(server.lost is not None for server in self._servers)

    def _why(self) -> Failure:
        """Why no server can be asked: something that may pass, if that is so of one."""
        reasons = [server.lost for server in self._servers if server.lost is not None]
        return next((why for why in reasons if why.kind not in FATAL), reasons[0])

    def _pass_on_news(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self.tell(self._news.get_nowait())


def _close(stream: Iterator[Answer]) -> None:
    """Drop what a stream has under way; a generator that another thread runs cannot be closed, but ends."""
    with contextlib.suppress(ValueError):
        drop(stream)
