"""What every backend keeps to: the one for tests, and the one for servers against a fake server."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from apo.backends import Backend, Completion, Request
from apo.backends.cached import Cached
from apo.backends.completions import Completions
from apo.backends.concurrency import Concurrency
from apo.backends.frames import Answer, Refused
from apo.backends.openai import OpenAI
from apo.backends.scripted import Scripted
from apo.candidate import Failure, Usage
from apo.prompt import Message, as_text
from tests.components.helpers import asked_text, fake_server
from tests.scripted_engine import said, scripted_engine

BROKEN = "break"
"""A request that says this fails."""
Opening = Callable[[], AbstractContextManager[Backend]]


@contextmanager
def scripted() -> Iterator[Backend]:
    """The backend for tests, answering with the last word of the request."""

    def answer(request: Request) -> str | Failure:
        text = as_text(request.rendered)
        return Failure("request", "broken") if BROKEN in text else text.split()[-1]

    yield Scripted(answer)


def echo(body: dict[str, Any]) -> tuple[int, str]:
    """The last word of the request, or an error."""
    text = asked_text(body)
    return (400, "broken") if BROKEN in text else (200, text.split()[-1])


@contextmanager
def openai() -> Iterator[Backend]:
    """The backend for servers, against one that answers in the same way."""
    with fake_server(echo) as server:
        backend = OpenAI(base_url=server.url, api_key="none", model="fake")
        try:
            yield backend
        finally:
            backend.close()


@contextmanager
def cached() -> Iterator[Backend]:
    """The one with a store in front, which is empty at first."""
    with (
        TemporaryDirectory() as folder,
        Completions(Path(folder) / "kept.sqlite") as store,
        scripted() as backend,
    ):
        yield Cached(backend, "server", store)


@contextmanager
def warm() -> Iterator[Backend]:
    """The same, once all that these tests ask was answered."""
    with cached() as backend:
        texts = [*(f"say word{n}" for n in range(3000)), "say yes", "say one two three"]
        assert len(texts) == len(list(backend.stream(map(ask, texts))))
        yield backend


@contextmanager
def cached_openai() -> Iterator[Backend]:
    """A store in front of the backend that asks servers from a thread of its own."""
    with (
        TemporaryDirectory() as folder,
        Completions(Path(folder) / "kept.sqlite") as store,
        openai() as backend,
    ):
        yield Cached(backend, "server", store)


@contextmanager
def vllm() -> Iterator[Backend]:
    """The one for an engine in a process of its own, against a scripted one."""

    def reply(number: int, asked: Request) -> Answer | Refused:
        text = as_text(asked.rendered)
        return Refused(number, "broken") if BROKEN in text else said(number, asked, text.split()[-1])

    with scripted_engine(reply) as (backend, _):
        yield backend


BACKENDS: dict[str, Opening] = {
    "scripted": scripted,
    "openai": openai,
    "vllm": vllm,
    "cached": cached,
    "cached_warm": warm,
    "cached_openai": cached_openai,
}


@pytest.fixture(params=[*BACKENDS.values()], ids=[*BACKENDS])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Each backend, ready to answer."""
    with request.param() as opened:
        yield opened


def ask(text: str, tag: str = "") -> Request:
    """A chat of one turn."""
    return Request((Message("user", text),), 16, tag=tag)


def test_aligned(backend: Backend) -> None:
    """Each request is answered once, with its own completion."""
    requests = [ask(f"say word{n % 30}", str(n)) for n in range(60)]
    answers = list(backend.stream(requests))

    assert sorted(r.tag for r in requests) == sorted(r.tag for r, _ in answers)
    assert all(as_text(r.rendered).split()[-1] == done.text for r, done in answers)
    assert all(done.failure is None for _, done in answers)


def test_equal_requests(backend: Backend) -> None:
    """Equal requests are each answered."""
    answers = list(backend.stream([ask("say yes")] * 5))

    assert ["yes"] * 5 == [done.text for _, done in answers]


def test_single_failure_is_value(backend: Backend) -> None:
    """One failed request is a value with a kind and no text; its neighbours are answered."""
    requests = [ask(f"{BROKEN if n == 3 else 'say'} word{n}", str(n)) for n in range(8)]
    answers = {request.tag: done for request, done in backend.stream(requests)}
    failed = answers.pop("3")

    assert failed.failure is not None
    assert ("request", "") == (failed.failure.kind, failed.text)
    assert {str(n): f"word{n}" for n in range(8) if n != 3} == {t: d.text for t, d in answers.items()}


def test_nothing_asked(backend: Backend) -> None:
    """No request, no answer."""
    assert [] == list(backend.stream([]))


def test_plain_completion(backend: Backend) -> None:
    """A text is answered like a chat."""
    ((_, done),) = backend.stream([Request("Q: word\nA: yes", 16, stop=("\n",))])

    assert "yes" == done.text


def test_counts_tokens(backend: Backend) -> None:
    """A completion says what it used."""
    ((_, done),) = backend.stream([ask("say one two three")])

    assert (4, 1) == (done.usage.prompt_tokens, done.usage.completion_tokens)


def test_pulls_lazily(backend: Backend) -> None:
    """An endless stream of requests can be answered in part and closed."""
    pulled = itertools.count()
    stream = backend.stream(ask(f"say word{n}") for n in pulled)
    first = list(itertools.islice(stream, 5))
    close = getattr(stream, "close")  # noqa: B009 (an Iterator need not have it, a generator has)
    close()

    assert 5 == len(first)
    assert next(pulled) < 2000


def test_streams_one_after_the_other(backend: Backend) -> None:
    """A backend can be used again after a stream that was closed early."""
    stream = backend.stream([ask(f"say word{n}") for n in range(50)])
    next(stream)
    del stream
    answers = list(backend.stream([ask("say again")]))

    assert ["again"] == [done.text for _, done in answers]


def test_hostile_text(backend: Backend) -> None:
    """Braces, quotes, markup and control characters arrive as they are."""
    word = "{x}\x1b[31m\"'</s>\\n\u2028é🙂"
    ((_, done),) = backend.stream([ask(f"say {word}")])

    assert word.split()[-1] == done.text


def test_scripted_cuts_off() -> None:
    """The scripted backend stops at the token limit, counted in words."""
    ((_, done),) = Scripted(lambda _: "one two three").stream([Request("x", 2)])

    assert Completion("one two", Usage(1, 2), cut_off=True) == done


STATUSES = {
    400: "request",
    401: "authentication",
    403: "authentication",
    404: "request",
    422: "request",
    429: "rate_limit",
    500: "server",
    503: "server",
}


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
def test_openai_failure_kinds(status: int, kind: str) -> None:
    """An HTTP status becomes a failure of its kind."""
    with fake_server(lambda _: (status, "no")) as server:
        backend = OpenAI(base_url=server.url, api_key="none", model="fake")
        ((_, done),) = backend.stream([ask("x")])
        backend.close()

    assert done.failure is not None
    assert kind == done.failure.kind


def test_openai_context_failure() -> None:
    """A prompt that does not fit is told from other bad requests."""
    told = "This model's maximum context length is 64 tokens. However, you requested 90."
    with fake_server(lambda _: (400, told)) as server:
        backend = OpenAI(base_url=server.url, api_key="none", model="fake")
        ((_, done),) = backend.stream([ask("x")])
        backend.close()

    assert done.failure is not None
    assert "context" == done.failure.kind


def test_openai_sends_sampling() -> None:
    """Every sampling parameter is sent, so that no server fills it in; the tag and nothing else is not."""
    with fake_server(echo) as server:
        backend = OpenAI(base_url=server.url, api_key="none", model="fake")
        list(backend.stream([Request("Q:", 9, 0.5, 7, ("\n",), ("yes", "no"), "mine")]))
        backend.close()
    body = server.asked[0]

    assert {
        "model": "fake",
        "prompt": "Q:",
        "temperature": 0.5,
        "top_p": 1.0,
        "max_tokens": 9,
        "seed": 7,
        "stop": ["\n"],
        "structured_outputs": {"choice": ["yes", "no"]},
    } == body


def test_openai_slows_down() -> None:
    """A server that refuses gets fewer requests at once."""
    concurrency = Concurrency(limit=8)
    with fake_server(lambda _: (429, "slow down")) as server:
        backend = OpenAI(base_url=server.url, api_key="none", model="fake", concurrency=concurrency)
        list(backend.stream([ask("x")]))
        backend.close()

    assert 4 == concurrency.limit
