"""The backend for servers against servers in trouble: slow, busy, broken, endless, or not what was asked."""

import gzip
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Event, Thread

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.backends.concurrency import Concurrency
from apo.backends.replies import MOST_BYTES, retry_after
from apo.backends.retries import Retries
from apo.candidate import Failure
from tests.little_server import Asked, Reply, error, said, serving
from tests.test_openai_backend import CHAT, QUICK, backend, echo, numbered

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def asked_to_wait(**headers: str) -> float | None:
    """The seconds in a busy server's headers."""
    request = httpx2.Request("POST", "http://127.0.0.1/v1")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx2.Response(429, headers=named, request=request)
    return retry_after(openai.RateLimitError("slow down", response=response, body=None))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.25"}, 0.25),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"retry_after_ms": "1500", "retry_after": "7"}, 1.5),
        ({"retry_after_ms": "soon", "retry_after": "7"}, 7.0),
        ({"retry_after": "-3"}, 0.0),
        ({"retry_after": "nan"}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": ""}, None),
        (
            {
                "retry_after": format_datetime(NOW + timedelta(seconds=90), True),
                "date": format_datetime(NOW, True),
            },
            90.0,
        ),
        (
            {
                "retry_after": format_datetime(NOW - timedelta(hours=1), True),
                "date": format_datetime(NOW, True),
            },
            0.0,
        ),
        ({"retry_after": format_datetime(NOW, True), "date": "yesterday"}, None),
        ({"retry_after": format_datetime(NOW, True)}, None),
        ({"retry_after": "Sat, 21 Nov 99999 12:00:00 GMT", "date": format_datetime(NOW, True)}, None),
    ],
    ids=str,
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """A wait is told in seconds, milliseconds or as a date of the server's own clock; nonsense is no wait."""
    assert seconds == asked_to_wait(**headers)


@given(text=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40))
def test_retry_after_of_any_text(text: str) -> None:
    """Whatever a server writes there is a wait of some seconds, or none."""
    found = asked_to_wait(retry_after=text, date=format_datetime(NOW, True))

    assert found is None or found >= 0


def test_wait_is_kept() -> None:
    """The next try comes no sooner than the server asked for."""
    replies = iter((Reply(429, error("busy"), headers={"retry-after-ms": "300"}),))
    with (
        serving(lambda _: next(replies, Reply(body=said()))) as server,
        backend(server.url, retries=QUICK) as opened,
    ):
        ((_, completion),) = opened.stream([CHAT])

    assert (None, 2) == (completion.failure, len(server.asked))
    assert 0.3 <= completion.usage.seconds


def test_refusals_slow_down_and_all_are_answered() -> None:
    """A server that takes two at once gets its pace: fewer are in flight, and every row is answered."""
    served = iter(range(1000))

    def busy(asked: Asked) -> Reply:
        if next(served) < 12:
            return Reply(429, error("slow down"), headers={"retry-after-ms": "1"})
        return echo(asked)

    concurrency = Concurrency(16, 16)
    with serving(busy) as server, backend(server.url, retries=QUICK, concurrency=concurrency) as opened:
        answers = list(opened.stream(numbered(40)))

    assert 8 == concurrency.limit
    assert 40 == len({completion.text for _, completion in answers})


@contextmanager
def raw_server(talk: Callable[[socket.socket, Event], None]) -> Iterator[str]:
    """A server that does to each connection what it likes, until the event is set."""
    done = Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)

        def accept() -> None:
            while not done.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                Thread(target=hold, args=(connection,), daemon=True).start()

        def hold(connection: socket.socket) -> None:
            with connection:
                try:
                    connection.recv(65_536)
                    talk(connection, done)
                except OSError:
                    return

        thread = Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        finally:
            done.set()
            thread.join(5)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def drip(connection: socket.socket, done: Event) -> None:
    """A body that never ends, a byte at a time."""
    connection.sendall(HEAD + b"content-length: 1000000\r\n\r\n{")
    while not done.wait(0.01):
        connection.sendall(b" ")


def flood(connection: socket.socket, done: Event) -> None:
    """A body without an end, as fast as it goes."""
    connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    part = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    while not done.is_set():
        connection.sendall(part)


def silence(connection: socket.socket, done: Event) -> None:
    """No answer at all."""
    done.wait(30)


def bomb(connection: socket.socket, done: Event) -> None:
    """A small body that unpacks to 100 MB."""
    packed = gzip.compress(b" " * 100_000_000, 1)
    length = f"content-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n"
    connection.sendall(HEAD + length.encode() + packed)


def garbled(connection: socket.socket, done: Event) -> None:
    """A body that is not packed as it says."""
    connection.sendall(HEAD + b"content-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello")


def half(connection: socket.socket, done: Event) -> None:
    """A body that breaks off."""
    connection.sendall(HEAD + b'content-length: 1000\r\n\r\n{"id": ')


def nonsense(connection: socket.socket, done: Event) -> None:
    """Something that is no HTTP."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\x00\xff")


@pytest.mark.parametrize(
    ("talk", "kind", "told"),
    [
        (drip, "timeout", ""),
        (silence, "timeout", ""),
        (flood, "server", f"the reply is larger than {MOST_BYTES >> 20} MB"),
        (bomb, "server", f"the reply is larger than {MOST_BYTES >> 20} MB"),
        (garbled, "connection", "Connection error"),
        (half, "connection", "Connection error"),
        (nonsense, "connection", "Connection error"),
    ],
    ids=["drip", "never", "flood", "bomb", "garbled", "half", "no-http"],
)
def test_server_that_does_not_end(talk: Callable[[socket.socket, Event], None], kind: str, told: str) -> None:
    """A body without end, or none, is a failure of the row after its time; nothing hangs."""
    retries = Retries(attempts=2, first=0.001, most=0.01)
    with (
        raw_server(talk) as url,
        backend(url, retries=retries, timeout=0.2 if kind == "timeout" else 20.0) as opened,
    ):
        ((_, completion),) = opened.stream([CHAT])

    assert completion.failure is not None
    assert kind == completion.failure.kind
    assert told in completion.failure.message


def test_large_body_does_not_fill_the_memory() -> None:
    """A body of 50 MB is refused once it is larger than any answer."""

    def huge(connection: socket.socket, done: Event) -> None:
        connection.sendall(HEAD + b"content-length: 50000000\r\n\r\n")
        for _ in range(50):
            connection.sendall(b" " * 1_000_000)

    tracemalloc.start()
    try:
        with raw_server(huge) as url, backend(url, retries=Retries(attempts=1)) as opened:
            ((_, completion),) = opened.stream([CHAT])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert completion.failure == Failure("server", f"the reply is larger than {MOST_BYTES >> 20} MB")
    assert most < 45_000_000


@pytest.mark.parametrize(
    "body",
    [
        "<html>Welcome \x1b[31m</html>",
        "",
        "null",
        "[1, 2]",
        '"red"',
        "{",
        '{"choices": 5}',
        '{"choices": [{}]}',
        "[" * 100_000,
    ],
    ids=["html", "empty", "null", "list", "text", "torn", "number", "no-message", "deep"],
)
def test_replies_of_another_kind(body: str) -> None:
    """What is no answer is a failure of the server, and no traceback."""
    with (
        serving(lambda _: Reply(200, body, "text/html" if "<" in body else "application/json")) as server,
        backend(server.url, retries=Retries(attempts=1)) as opened,
    ):
        ((_, completion),) = opened.stream([CHAT])

    assert completion.failure is not None
    assert ("server", "") == (completion.failure.kind, completion.text)
