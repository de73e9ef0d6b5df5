"""The backend for servers is closed: before the last answer, while requests are under way, and for good."""

import gc
import threading
from collections.abc import Iterator

import pytest

from apo.backends import Request
from apo.backends.concurrency import Concurrency
from tests.little_server import serving, unused_url
from tests.test_openai_backend import backend, echo, numbered


def test_closed_early() -> None:
    """Whoever has enough leaves; no more requests are taken, and the backend can be used again."""
    taken = []

    def endless() -> Iterator[Request]:
        for request in numbered(100_000):
            taken.append(request)
            yield request

    with serving(echo) as server, backend(server.url, concurrency=Concurrency(4, 4)) as opened:
        answers = opened.stream(endless())
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        again = [completion.text for _, completion in opened.stream(numbered(1))]

    assert ["0"] == again
    assert len(taken) < 100


def test_closed_under_way(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is under way when a backend is closed ends without a word in the user's terminal."""
    for _ in range(10):
        with serving(echo) as server, backend(server.url, concurrency=Concurrency(16, 16)) as opened:
            next(opened.stream(numbered(1_000)))
        gc.collect()

    assert not [record.getMessage() for record in caplog.records if record.name == "asyncio"]


def test_close_ends_thread() -> None:
    """A closed backend leaves no thread behind."""
    before = set(threading.enumerate())
    with backend(unused_url()):
        during = set(threading.enumerate()) - before

    assert ["openai"] == [thread.name for thread in during]
    assert not any(thread.is_alive() for thread in during)
