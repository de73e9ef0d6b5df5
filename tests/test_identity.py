"""What answers at an address: told within a bounded time and size, and two servers told apart."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from apo.backends.frames import PROBE
from apo.errors import ServerError
from apo.identity import MOST_BYTES, identify, public
from apo.spec import Identity
from tests.little_server import Asked, Reply, serving

VLLM = {"data": [{"id": "m", "owned_by": "vllm", "root": "org/weights", "max_model_len": 2048}]}


def server(tokenize: Reply, models: Any = VLLM) -> Callable[[Asked], Reply]:
    """A vLLM server that turns the probe into tokens like this."""
    replies = {
        "/v1/models": Reply(body=models),
        "/version": Reply(body={"version": "1"}),
        "/tokenize": tokenize,
    }
    return lambda asked: replies[asked.path]


def found(answer: Callable[[Asked], Reply]) -> Identity:
    """The identity behind such a server, wherever it listens."""
    with serving(answer) as running:
        told = identify(running.url, "key", "m", "MY_KEY")
    return Identity(told.model, told.root, "", told.weights, told.template, told.engine, told.context)


def test_all_that_vllm_tells() -> None:
    """Model, weights, engine, context and a digest of its chat template."""
    told = found(server(Reply(body={"tokens": [1, 2, 3]})))

    assert Identity("m", "org/weights", "", "", told.template, "vllm 1", 2048) == told
    assert 16 == len(told.template)


def test_template_is_asked_with_every_role() -> None:
    """The probe is a chat with system, user and assistant, as the model would receive it."""
    with serving(server(Reply(body={"tokens": [1]}))) as running:
        identify(running.url, "key", "m", "MY_KEY")
    asked = next(asked for asked in running.asked if asked.path == "/tokenize")

    assert ("POST", "key") == (asked.method, asked.key)
    messages = [asdict(message) for message in PROBE]
    assert {"model": "m", "messages": messages, "add_generation_prompt": True} == asked.body
    assert {"system", "user", "assistant"} == {message.role for message in PROBE}


def test_two_templates_are_two_servers() -> None:
    """The same model with another chat template, or another tokenizer, is another server."""
    tokens: tuple[list[int], ...] = ([1, 2, 3], [1, 2], [1, 2, 4], [12, 3], [])
    digests = [found(server(Reply(body={"tokens": one}))).template for one in tokens]
    again = found(server(Reply(body={"tokens": [1, 2, 3], "count": 3, "max_model_len": 9}))).template

    assert len(tokens) == len(set(digests))
    assert digests[0] == again


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, {"detail": "Not Found"}),
        Reply(200, "<html>", "text/html"),
        Reply(200, "[" * 100_000),
        Reply(200, {"tokens": [1]}, headers={"content-encoding": "gzip"}),
        Reply(200, []),
        Reply(200, {}),
        Reply(200, "x" * (MOST_BYTES + 1)),
        Reply(302, "", headers={"location": "/elsewhere"}),
    ],
    ids=["missing", "html", "deep", "not-packed", "list", "empty", "large", "redirect"],
)
def test_template_untold(reply: Reply) -> None:
    """A server that does not say how it makes tokens is one without that mark."""
    assert Identity("m", "org/weights", "", "", "", "vllm 1", 2048) == found(server(reply))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"id": "m", "max_model_len": "many"}, Identity("m")),
        ({"id": "m", "max_model_len": None, "root": None, "owned_by": None}, Identity("m")),
        ({"id": "m", "root": 5, "owned_by": "x\x1b[31m"}, Identity("m", "5", engine="x\x1b[31m")),
    ],
    ids=["words", "null", "numbers"],
)
def test_odd_entries(entry: dict[str, Any], expected: Identity) -> None:
    """What a server says in another shape is taken as text, or left out."""
    assert expected == found(lambda asked: Reply(body={"data": [entry]}))


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(200, "x" * (MOST_BYTES + 1)), f"larger than {MOST_BYTES >> 20} MB"),
        (Reply(200, "[" * 100_000), "list of models cannot be read"),
        (Reply(200, "x", headers={"content-encoding": "gzip"}), "list of models cannot be read"),
    ],
    ids=["large", "deep", "not-packed"],
)
def test_hostile_list_of_models(reply: Reply, told: str) -> None:
    """A list of models that is none ends with one message that names the address."""
    with pytest.raises(ServerError, match=f"http://127.*{told}"):
        found(lambda asked: reply)


def test_largest_list_is_read() -> None:
    """A long list of models is a list like any other, up to the limit."""
    models = {"data": [{"id": "m"}, {"id": "x" * (MOST_BYTES - 1000)}]}

    assert Identity("m") == found(lambda asked: Reply(body=models))


@given(st.text(max_size=40), st.text(st.sampled_from("/:@?#[]%.8h"), max_size=20))
def test_public_shows_no_secret(word: str, rest: str) -> None:
    """Whatever stands before the host or after the question mark is not shown."""
    secret = "".join(c for c in word if c.isalnum())
    with suppress(ValueError):
        shown = public(f"http://user:S3{secret}S3@host/v1?key=S3{secret}S3#S3{secret}S3")

        assert "http://host/v1" == shown
    with suppress(ValueError):
        public(rest)
