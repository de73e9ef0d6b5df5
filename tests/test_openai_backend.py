"""The backend for servers: what is sent, what is read, and what each failure is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from apo.backends import Completion, Request
from apo.backends.concurrency import Concurrency
from apo.backends.openai import OpenAI
from apo.backends.retries import Retries
from apo.prompt import Message
from tests.little_server import Asked, LittleServer, Reply, error, said, serving, unused_url

CHAT = Request((Message("system", "Name the colour."), Message("user", "ball")), 5)
KEY = "sk-very-secret"
ONCE = {"x-should-retry": "false"}
"""Tells the client not to try again, so that a failure comes at once."""
SOON = {"retry-after-ms": "1"}


@contextmanager
def backend(url: str, **options: Any) -> Iterator[OpenAI]:
    """A backend, closed at the end."""
    opened = OpenAI(base_url=url, api_key=KEY, model="m", **options)
    try:
        yield opened
    finally:
        opened.close()


def ask(
    answer: Callable[[Asked], Reply] | Reply, *requests: Request
) -> tuple[list[Completion], LittleServer]:
    """The completions that a server's replies become, in the order asked."""
    with serving(answer if callable(answer) else lambda _: answer) as server, backend(server.url) as opened:
        found = {id(request): completion for request, completion in opened.stream(requests or (CHAT,))}
    return [found[id(request)] for request in requests or (CHAT,)], server


def one(answer: Callable[[Asked], Reply] | Reply, request: Request = CHAT) -> Completion:
    """The completion of one request."""
    return ask(answer, request)[0][0]


def test_chat() -> None:
    """An answer has its text, its tokens and its time."""
    completion = one(Reply(body=said("red")))

    assert ("red", False, None) == (completion.text, completion.cut_off, completion.failure)
    assert (12, 3) == (completion.usage.prompt_tokens, completion.usage.completion_tokens)
    assert 0 < completion.usage.seconds < 10


def test_chat_request() -> None:
    """A chat request carries every sampling parameter, its key and nothing else."""
    asked = ask(Reply(body=said()))[1].asked
    messages = [{"role": "system", "content": "Name the colour."}, {"role": "user", "content": "ball"}]
    body = {"model": "m", "messages": messages, "temperature": 0.0, "top_p": 1.0, "max_tokens": 5}

    assert [Asked("POST", "/v1/chat/completions", KEY, body)] == asked


def test_full_request() -> None:
    """Seed, stops and choices are sent where they are set; the tag never is."""
    request = Request(CHAT.rendered, 9, 0.7, 42, ("\n", "Input:"), ("red", "blue"), tag="c1/row-1")
    body = ask(Reply(body=said()), request)[1].asked[0].body

    assert {"temperature": 0.7, "top_p": 1.0, "max_tokens": 9, "seed": 42}.items() <= body.items()
    assert {
        "stop": ["\n", "Input:"],
        "structured_outputs": {"choice": ["red", "blue"]},
    }.items() <= body.items()
    assert "c1/row-1" not in str(body)


def test_seed_zero_sent() -> None:
    """A seed of 0 is a seed."""
    assert ask(Reply(body=said()), Request(CHAT.rendered, 9, seed=0))[1].asked[0].body["seed"] == 0


def test_completion_request() -> None:
    """Plain text goes to the completions endpoint, unchanged."""
    choice = {"index": 0, "finish_reason": "stop", "text": " red", "logprobs": None}
    reply = {**said(), "object": "text_completion", "choices": [choice]}
    (completion,), server = ask(Reply(body=reply), Request("Q: {{ball}}\nA:", 5, stop=("\n",)))
    body = {"model": "m", "prompt": "Q: {{ball}}\nA:", "temperature": 0.0, "top_p": 1.0, "max_tokens": 5}

    assert [Asked("POST", "/v1/completions", KEY, {**body, "stop": ["\n"]})] == server.asked
    assert " red" == completion.text


@pytest.mark.parametrize(
    ("text", "finish", "expected", "cut_off"),
    [
        ("red", "length", "red", True),
        (None, "stop", "", False),
        ("", "length", "", True),
        ("a\ud800b", "stop", "a?b", False),
        ("\N{PILE OF POO}\x00\x1b[31m", "stop", "\N{PILE OF POO}\x00\x1b[31m", False),
    ],
    ids=["length", "null", "empty", "lone-surrogate", "hostile"],
)
def test_text(text: str | None, finish: str, expected: str, cut_off: bool) -> None:
    """Any text is an answer, and it can always be written as UTF-8."""
    completion = one(Reply(body=said(text, finish)))

    assert (expected, cut_off, None) == (completion.text, completion.cut_off, completion.failure)


def test_no_usage() -> None:
    """A server that counts no tokens still answers."""
    completion = one(Reply(body={**said(), "usage": None}))

    assert ("red", 0, 0) == (
        completion.text,
        completion.usage.prompt_tokens,
        completion.usage.completion_tokens,
    )


CONTEXT = "This model's maximum context length is 20 tokens. However, you requested 25 tokens."
FAILURES: list[tuple[str, Reply, str, str]] = [
    ("401", Reply(401, error("Unauthorized")), "authentication", "Unauthorized"),
    ("403", Reply(403, error("Forbidden")), "authentication", "Forbidden"),
    ("404", Reply(404, error("no such model")), "request", "no such model"),
    ("400", Reply(400, error("temperature is negative")), "request", "temperature is negative"),
    ("400-context", Reply(400, error(CONTEXT)), "context", "maximum context length is 20"),
    ("400-context-flat", Reply(400, {"object": "error", "message": CONTEXT}), "context", "maximum context"),
    ("422", Reply(422, {"detail": "x"}), "request", "422"),
    ("429", Reply(429, error("slow down")), "rate_limit", "slow down"),
    ("500", Reply(500, error("engine died")), "server", "engine died"),
    ("502-html", Reply(502, "<html><body>Bad gateway</body></html>", "text/html"), "server", "502"),
    ("503-empty", Reply(503, "", "text/plain"), "server", "503"),
    ("empty-choices", Reply(200, {**said(), "choices": []}), "server", "the reply is not"),
    ("no-choices", Reply(200, {}), "server", "the reply is not"),
    ("filter", Reply(200, said("re", "content_filter")), "refusal", "content filter"),
    ("abort", Reply(200, said("re", "abort")), "server", "gave up: abort"),
]


@pytest.mark.parametrize(("reply", "kind", "words"), [f[1:] for f in FAILURES], ids=[f[0] for f in FAILURES])
def test_failure(reply: Reply, kind: str, words: str) -> None:
    """Each way to fail has its kind and the server's own words, and no text."""
    completion = one(Reply(reply.status, reply.body, reply.kind, ONCE))
    assert completion.failure is not None

    assert (kind, "") == (completion.failure.kind, completion.text)
    assert words in completion.failure.message
    assert KEY not in completion.failure.message


def test_key_not_repeated() -> None:
    """A server that repeats the key does not bring it into the journal."""
    failure = one(Reply(401, error(f"Incorrect API key: {KEY}"), headers=ONCE)).failure

    assert failure is not None
    assert "Incorrect API key: ***" in failure.message


def test_failure_message_short() -> None:
    """A long error is one line of moderate length."""
    failure = one(Reply(500, error("x" * 5000 + "\nsecond line"), headers=ONCE)).failure

    assert failure is not None
    assert "\n" not in failure.message
    assert 100 < len(failure.message) <= 500


QUICK = Retries(first=0.001, most=0.01)


def test_connection_refused() -> None:
    """Where nothing listens, the failure is one of the connection."""
    with backend(unused_url(), retries=QUICK) as opened:
        ((_, completion),) = opened.stream([CHAT])

    assert completion.failure is not None
    assert completion.failure.kind == "connection"


def test_timeout() -> None:
    """An answer that takes too long is a timeout; it is asked twice at most, since that is dear."""
    with (
        serving(lambda _: Reply(body=said(), delay=0.4)) as server,
        backend(server.url, retries=QUICK, timeout=0.1, per_token=0.0) as opened,
    ):
        ((_, completion),) = opened.stream([CHAT])

    assert completion.failure is not None
    assert (completion.failure.kind, len(server.asked)) == ("timeout", 2)


def test_long_answers_have_more_time() -> None:
    """An answer that may be long is waited for longer."""
    with (
        serving(lambda _: Reply(body=said(), delay=0.4)) as server,
        backend(server.url, retries=QUICK, timeout=0.1, per_token=0.1) as opened,
    ):
        ((_, completion),) = opened.stream([replace(CHAT, max_tokens=100)])

    assert completion.failure is None


@pytest.mark.parametrize("status", [429, 500, 503])
def test_tried_again(status: int) -> None:
    """A server that is busy or stumbles is asked again, and the answer counts."""
    replies = iter((Reply(status, error("busy"), headers=SOON), Reply(status, error("busy"), headers=SOON)))
    (completion,), server = ask(lambda _: next(replies, Reply(body=said("red"))))

    assert ("red", None, 3) == (completion.text, completion.failure, len(server.asked))


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_not_tried_again(status: int) -> None:
    """What would fail again is asked once."""
    assert len(ask(Reply(status, error("no")))[1].asked) == 1


def test_rate_limit_slows_down() -> None:
    """A refusal that lasts halves the number of requests in flight."""
    concurrency = Concurrency(8)
    with (
        serving(lambda _: Reply(429, error("slow down"), headers=ONCE)) as server,
        backend(server.url, concurrency=concurrency) as opened,
    ):
        list(opened.stream([CHAT]))

    assert concurrency.limit == 4


def numbered(count: int) -> list[Request]:
    """Requests that can be told apart."""
    return [Request((Message("user", str(n)),), 5, tag=str(n)) for n in range(count)]


def echo(asked: Asked) -> Reply:
    """An answer that repeats the question; some come later than others."""
    text = asked.body["messages"][-1]["content"]
    return Reply(body=said(text), delay=0.01 * (int(text) % 3))


def test_each_answered_once() -> None:
    """Every request comes back once, with its own answer, and never too many are under way."""
    with serving(echo) as server, backend(server.url, concurrency=Concurrency(5, 5)) as opened:
        answers = [(request.tag, completion.text) for request, completion in opened.stream(numbered(40))]

    assert sorted((str(n), str(n)) for n in range(40)) == sorted(answers)
    assert 2 <= server.most_at_once <= 5


def test_failures_do_not_stop_others() -> None:
    """One request's failure leaves the others alone."""

    def sometimes(asked: Asked) -> Reply:
        text = asked.body["messages"][-1]["content"]
        return Reply(400, error("no")) if text == "3" else echo(asked)

    completions, _ = ask(sometimes, *numbered(6))

    assert [False, False, False, True, False, False] == [c.failure is not None for c in completions]


def test_broken_requests() -> None:
    """An error in the requests themselves reaches whoever asks."""

    def broken() -> Iterator[Request]:
        yield CHAT
        raise RuntimeError("no more rows")

    with (
        serving(lambda _: Reply(body=said())) as server,
        backend(server.url) as opened,
        pytest.raises(RuntimeError, match="no more rows"),
    ):
        list(opened.stream(broken()))
