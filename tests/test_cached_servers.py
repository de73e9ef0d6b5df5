"""The store in front of real servers: which is which, what is slow, and streams that end early."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apo.backends import Request
from apo.backends.cached import CHECKS, Cached
from apo.backends.completions import Completions
from apo.backends.concurrency import Concurrency
from apo.backends.openai import OpenAI
from apo.identity import identify
from apo.prompt import Message
from tests.little_server import Asked, LittleServer, Reply, said, serving

COUNT = 30


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Completions]:
    """An empty store."""
    with Completions(tmp_path / "kept" / "completions.sqlite") as opened:
        yield opened


def ask(text: object) -> Request:
    """A chat of one turn."""
    return Request((Message("user", f"{text}"),), 5, tag=f"{text}")


def saying(word: str, delay: Callable[[str], float] = lambda _: 0.0) -> Callable[[Asked], Reply]:
    """A server with one model; it answers a word and what it was asked, after some seconds."""

    def answer(asked: Asked) -> Reply:
        if asked.method == "GET":
            return Reply(body={"data": [{"id": "m", "owned_by": "me"}]})
        text = asked.body["messages"][-1]["content"]
        return Reply(body=said(f"{word} {text}"), delay=delay(text))

    return answer


@contextmanager
def connected(server: LittleServer, store: Completions, limit: int = 32) -> Iterator[Cached]:
    """What a run would use: the server, behind the store, under the key of what it says to be."""
    key = store.register(identify(server.url, "key", "m", "KEY"))
    backend = OpenAI(base_url=server.url, api_key="key", model="m", concurrency=Concurrency(limit))
    try:
        yield Cached(backend, key, store)
    finally:
        backend.close()


def texts(backend: Cached, count: int = COUNT) -> set[str]:
    """All answers."""
    return {done.text for _, done in backend.stream(map(ask, range(count)))}


def completions(server: LittleServer) -> int:
    """How many answers the server has given."""
    return sum(asked.method == "POST" for asked in server.asked)


def test_same_server(store: Completions) -> None:
    """A second run on the same server asks the checks alone."""
    with serving(saying("one")) as server:
        for _ in range(2):
            with connected(server, store) as backend:
                assert {f"one {n}" for n in range(COUNT)} == texts(backend)

        assert (COUNT + CHECKS, COUNT - CHECKS) == (completions(server), backend.hits)


def test_servers_with_one_name(store: Completions) -> None:
    """Two servers that call their models the same never answer for each other."""
    with serving(saying("one")) as first, serving(saying("two")) as second:
        for _ in range(2):
            for server, word in ((first, "one"), (second, "two")):
                with connected(server, store) as backend:
                    assert {f"{word} {n}" for n in range(COUNT)} == texts(backend)
                    assert (0, False) == (backend.differed, backend.distrusted)


def test_exchanged_server(store: Completions) -> None:
    """Another model behind the same address and name is found out, and never gets the old answers."""
    with serving(saying("one")) as server:
        with connected(server, store) as backend:
            texts(backend)
        server.answer = saying("two")
        with connected(server, store) as backend:
            assert {f"two {n}" for n in range(COUNT)} == texts(backend)
            assert (True, 0) == (backend.distrusted, backend.hits)
            assert {f"two {n}" for n in range(COUNT)} == texts(backend)
            assert COUNT == backend.hits
        with connected(server, store) as backend:
            assert {f"two {n}" for n in range(COUNT)} == texts(backend)
            assert (False, COUNT - CHECKS) == (backend.distrusted, backend.hits)


def test_hits_do_not_wait(store: Completions) -> None:
    """What the store has comes before what the server takes long for."""
    slow = saying("one", lambda text: 1.0 if text.startswith("slow") else 0.0)
    with serving(slow) as server, connected(server, store) as backend:
        texts(backend)
        began = time.monotonic()
        known = [ask(n) for n in range(COUNT)]
        tags = [r.tag for r, _ in backend.stream([ask("slow 1"), *known, ask("slow 2"), *known])]
        took = time.monotonic() - began

    assert {"slow 1", "slow 2"} == set(tags[-2:])
    assert 2 * COUNT + 2 == len(tags)
    assert took < 1.9  # both at once


def test_batches_stay_wide(store: Completions) -> None:
    """Hits between them do not keep misses from being asked together."""
    with serving(saying("one", lambda _: 0.05)) as server, connected(server, store, limit=8) as backend:
        texts(backend, 100)
        server.most_at_once = 0
        mixed = itertools.chain.from_iterable((ask(n % 100), ask(f"new {n}")) for n in range(40))

        assert 80 == len(list(backend.stream(mixed)))
        assert server.most_at_once >= 8


def test_closed_early(store: Completions) -> None:
    """A stream that is closed drops what is under way at once, and leaves no thread behind."""
    before = threading.active_count()
    slow = saying("one", lambda text: 3.0 if text.startswith("slow") else 0.0)
    with serving(slow) as server:
        began = time.monotonic()
        with connected(server, store) as backend:
            stream = backend.stream(map(ask, ["fast", *(f"slow {n}" for n in range(10))]))
            assert "one fast" == next(stream)[1].text
            stream.close()  # type: ignore[attr-defined]
            assert {"one 1", "one 0"} == texts(backend, 2)
        assert time.monotonic() - began < 2.5
    assert "openai" not in {thread.name for thread in threading.enumerate()}
    assert threading.active_count() <= before + 15  # the handlers of the little server
