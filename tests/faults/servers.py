"""Servers that fail in ways of their own, and the runs that they fail for."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from tests.components.helpers import asked_text
from tests.little_server import Asked, Reply, error, said
from tests.places import Done, Place
from tests.test_cli_run import even

Failing = Callable[[int, int, Asked], Reply | None]
"""From a row's number, how often it was asked before, and the request to a failure; None: it is answered."""
FIRST = 6
"""Requests that are answered before a server fails for good."""


class Server:
    """A model that says `even`, where `failing` does not say otherwise."""

    def __init__(self, failing: Failing) -> None:
        self.failing: Failing = failing
        self.answered: Counter[int] = Counter()
        self.tries: Counter[int] = Counter()
        self._guard = threading.Lock()

    def __call__(self, asked: Asked) -> Reply:
        """A reply."""
        if asked.method == "GET":
            return Reply(body={"data": [{"id": "fake", "owned_by": "tests", "max_model_len": 4096}]})
        row = int(asked_text(asked.body).rpartition("Number ")[2].partition("?")[0])
        with self._guard:
            before = self.tries[row]
            self.tries[row] += 1
            reply = self.failing(row, before, asked)
            self.answered[row] += reply is None
        return reply or Reply(body={**said(even(asked.body)[1]), "model": "fake"})

    @property
    def count(self) -> int:
        """Requests so far, this one included."""
        return self.tries.total()


def hang_up(*_: Any) -> Reply:
    """A server that is gone, as a client sees it."""
    return Reply(hangs_up=True)


def busy(row: int, before: int, _asked: Asked) -> Reply | None:
    """429 to the first try of every third row."""
    late = {"retry-after": "1"}
    return Reply(429, error("slow down"), headers=late) if before == 0 and row % 3 == 0 else None


def narrow(_row: int, _before: int, asked: Asked) -> Reply | None:
    """A context that holds two exemplars at most."""
    long = asked_text(asked.body).count("Number ") > 3
    return Reply(400, error("This model's maximum context length is 40 tokens.")) if long else None


def after_first(make: Callable[[], Reply]) -> Callable[[Server], Failing]:
    """Fails for good after the first answers."""
    return lambda server: lambda *_: make() if server.count > FIRST else None


@dataclass(frozen=True)
class Plan:
    """How a server fails, and the run that it fails for."""

    failing: Callable[[Server], Failing]
    rows: int = 12
    more: tuple[str, ...] = ("--calls", "36", "--patience", "0")


def plain(failing: Failing) -> Callable[[Server], Failing]:
    """A failure that does not depend on what the server did before."""
    return lambda _: failing


HTML = Reply(200, "<html><body>Please log in</body></html>", kind="text/html")
PLANS = {
    "five": Plan(
        plain(lambda row, *_: Reply(503, error("overloaded")) if 40 <= row < 45 else None),
        40,
        # Each block of rows with one of these waits for its tries; halving has few blocks.
        ("--calls", "120", "--scheduler", "successive_halving"),
    ),
    "twice": Plan(plain(lambda _row, before, _: Reply(503, error("loading")) if before < 2 else None)),
    "limit": Plan(plain(busy)),
    # Each of 12 rows is tried 6 times; the first of them is then asked until the server is back.
    "back": Plan(
        lambda server: lambda *_: hang_up() if server.count <= 80 else None,
        12,
        ("--calls", "36", "--scheduler", "successive_halving"),
    ),
    "gone": Plan(after_first(hang_up)),
    "html": Plan(plain(lambda row, *_: HTML if row in (12, 13) else None)),
    "model": Plan(after_first(lambda: Reply(body={**said("even"), "model": "other"}))),
    "context": Plan(plain(narrow), 12, ("--calls", "100")),
    "key": Plan(after_first(lambda: Reply(401, error("Your key has expired.")))),
}


@dataclass(frozen=True)
class UnderWay:
    """A plan that is carried out."""

    name: str
    place: Place
    server: Server
    job: "Future[Done]"
