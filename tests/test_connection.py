"""Connecting: what answers at an address, or why nothing does, with no secret in any of it."""

import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from apo.backends import Request
from apo.connection import _backend, api_key, busy_with, check, connect
from apo.errors import ConfigError, ServerError
from apo.identity import identify
from apo.prompt import Message
from apo.spec import Identity, ModelSpec
from tests.little_server import Asked, Reply, error, said, serving, unused_url

MODELS = {"object": "list", "data": [{"id": "m", "owned_by": "somebody"}, {"id": "other"}]}
VLLM = {"data": [{"id": "m", "owned_by": "vllm", "root": "org/weights", "max_model_len": 2048}]}
Answer = Callable[[Asked], Reply]


def found(reply: Reply | Answer, model: str = "m", change: Callable[[str], str] = str) -> Identity:
    """The identity behind a server with this reply."""
    with serving(reply if callable(reply) else lambda _: reply) as server:
        identity = identify(change(server.url), "secret-key", model, "MY_KEY")
    assert server.asked[0].path.startswith("/v1")
    return identity


def test_identity() -> None:
    """A plain server says who serves the model."""
    identity = found(Reply(body=MODELS))

    assert ("m", "", "somebody", None) == (identity.model, identity.root, identity.engine, identity.context)


def vllm(version: Reply) -> Answer:
    """A vLLM server that tells its version like this."""
    return lambda asked: version if asked.path == "/version" else Reply(body=VLLM)


@pytest.mark.parametrize(
    ("version", "engine"),
    [
        (Reply(body={"version": "0.32.1"}), "vllm 0.32.1"),
        (Reply(404, {"detail": "Not Found"}), "vllm"),
        (Reply(200, "<html>", "text/html"), "vllm"),
        (Reply(200, ["0.32"]), "vllm"),
    ],
    ids=["told", "missing", "html", "list"],
)
def test_identity_of_vllm(version: Reply, engine: str) -> None:
    """vLLM tells weights and context, and its version where it can."""
    identity = found(vllm(version))

    assert ("m", "org/weights", engine, 2048) == (
        identity.model,
        identity.root,
        identity.engine,
        identity.context,
    )


def test_asks_with_key() -> None:
    """The list of models is asked for with the key, at the address with or without a last slash."""
    with serving(lambda _: Reply(body=MODELS)) as server:
        identify(server.url, "secret-key", "m", "MY_KEY")
        identify(f"{server.url}/", "secret-key", "m", "MY_KEY")

    assert [("GET", "/v1/models")] * 2 == [(asked.method, asked.path) for asked in server.asked]
    assert {"secret-key"} == {asked.key for asked in server.asked}


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("//", "//user:secret-word@"),
        lambda url: f"{url}?key=secret-word",
        lambda url: f"{url}#secret-word",
    ],
    ids=["password", "query", "fragment"],
)
def test_no_secret_in_identity(change: Callable[[str], str]) -> None:
    """What an address holds beside its place is kept out of the identity."""
    identity = found(Reply(body=MODELS), change=change)

    assert "secret" not in str(asdict(identity))
    assert "user" not in identity.base_url
    assert identity.base_url.startswith("http://127.0.0.1:")
    assert identity.base_url.endswith("/v1")


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(401, error("no")), r"refuses the API key from MY_KEY \(HTTP 401\). Set the right key"),
        (Reply(403, error("no")), r"refuses the API key from MY_KEY \(HTTP 403\)"),
        (Reply(404, error("no")), "answers HTTP 404 to a list of its models.*usually ends in /v1"),
        (Reply(500, error("no")), "answers HTTP 500"),
        (Reply(301, "", headers={"location": "/login"}), "answers HTTP 301"),
        (Reply(200, "<html>Welcome</html>", "text/html"), "list of models cannot be read.*ends in /v1"),
        (Reply(200, ""), "list of models cannot be read"),
        (Reply(200, []), "list of models cannot be read"),
        (Reply(200, {"data": None}), "list of models cannot be read"),
        (Reply(200, {"data": [{"name": "m"}]}), "list of models cannot be read"),
        (Reply(200, {"models": []}), "list of models cannot be read"),
        (Reply(200, {"data": []}), "named 'm'. Known: none"),
    ],
    ids=[
        "401",
        "403",
        "404",
        "500",
        "redirect",
        "html",
        "empty",
        "list",
        "null",
        "no-id",
        "other-format",
        "no-model",
    ],
)
def test_refused(reply: Reply, message: str) -> None:
    """What does not answer like a model server is named by its address, with what to do."""
    with pytest.raises(ServerError, match=message) as caught:
        found(reply, change=lambda url: url.replace("//", "//user:secret-word@"))

    assert "http://127.0.0.1:" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_unknown_model() -> None:
    """A model that is not served is answered with those that are."""
    with pytest.raises(ServerError, match=r"named 'othr'\. Did you mean 'other'\? Known: m, other"):
        found(Reply(body=MODELS), model="othr")


def test_no_server() -> None:
    """Where nothing listens, the message says how to get a server."""
    url = unused_url().replace("//", "//user:secret-word@")

    with pytest.raises(ServerError, match=r"No model server answers at http://127.*apo starts one") as caught:
        identify(url, "secret-key", "m", "MY_KEY")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1:8000/v1", "", "ftp://127.0.0.1/v1"], ids=ascii)
def test_no_address(url: str) -> None:
    """What is no web address is refused like a server that is not there."""
    with pytest.raises(ServerError, match="No model server answers"):
        identify(url, "secret-key", "m", "MY_KEY")


def no_report(*_: Any) -> None:
    """Nobody is told."""


def test_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is a backend that answers, with its identity and no log of ours."""
    monkeypatch.setenv("MY_KEY", "secret-key")

    def answer(asked: Asked) -> Reply:
        return Reply(body=MODELS if asked.method == "GET" else said("red"))

    with serving(answer) as server:
        spec = ModelSpec("m", server.url, "MY_KEY")
        with connect(spec, no_report) as link:
            texts = [c.text for _, c in link.backend.stream([Request((Message("user", "ball"),), 5)])]

    assert (["red"], "m", None) == (texts, link.identity.model, link.log)
    assert {"secret-key"} == {asked.key for asked in server.asked}


def test_all_at_once() -> None:
    """A server that answers only when all requests are there is sent all."""
    there = threading.Barrier(100, timeout=20)

    def answer(_: Asked) -> Reply:
        there.wait()
        return Reply(body=said("red"))

    requests = [Request((Message("user", f"ball {number}"),), 5) for number in range(100)]
    with serving(answer) as server, _backend(server.url, "key", "m", at_once=100) as backend:
        texts = [completion.text for _, completion in backend.stream(requests)]

    assert ["red"] * 100 == texts


def test_connect_refused() -> None:
    """A server that fails the check is never asked for an answer."""
    with (
        serving(lambda _: Reply(404, error("no"))) as server,
        pytest.raises(ServerError, match="HTTP 404"),
        connect(ModelSpec("m", server.url), no_report),
    ):
        pass

    assert ["GET"] == [asked.method for asked in server.asked]


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret-word@127.0.0.1:8000/v1",
        "http://secret-word@127.0.0.1:8000/v1",
        "http://127.0.0.1:8000/v1?key=secret-word",
    ],
    ids=["password", "user", "query"],
)
def test_check_secret(url: str) -> None:
    """An address is written to the journal, so one with a secret is refused, without repeating it."""
    with pytest.raises(ConfigError, match="carries a user name, password or query") as caught:
        check(ModelSpec("m", url))

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000/v1",
        "",
        "ftp://h/v1",
        "http://",
        "http://h:99999/v1",
        "http://h:x/v1",
        "http://[::1/v1",
    ],
)
def test_check_no_address(url: str) -> None:
    """What is no web address is refused before anything is started."""
    with pytest.raises(ConfigError, match="is no address of a server, such as http://host:8000/v1"):
        check(ModelSpec("m", url))


@pytest.mark.parametrize(
    ("batch", "busy"), [(1, 1), (2, 1), (8, 2), (16, 4), (32, 8), (64, 8), (256, 8), (1024, 32)]
)
def test_busy_engine(batch: int, busy: int) -> None:
    """A CPU is busy with eight, whatever its batch was found to be best; a large batch needs more."""
    assert busy == busy_with(batch)


def test_own_engine_has_no_address() -> None:
    """An engine of the run's own and somebody's server are two things; both together are refused."""
    check(ModelSpec("m", engine="inprocess"))

    with pytest.raises(ConfigError, match=r"http://127.0.0.1:8000/v1 is the address .* --engine, or --url"):
        check(ModelSpec("m", "http://127.0.0.1:8000/v1", engine="inprocess"))


@pytest.mark.parametrize(
    "url", [None, "http://127.0.0.1:8000/v1", "http://[::1]:8000/v1", "http://localhost"]
)
def test_check_good(url: str | None) -> None:
    """A server of ours, or a plain address on this machine, needs nothing else."""
    check(ModelSpec("m", url, "NO_SUCH_KEY"))


@pytest.mark.parametrize(
    ("url", "key", "expected"),
    [
        ("https://example.org/v1", "abc", "abc"),
        ("http://127.0.0.1:8000/v1", "abc", "abc"),
        ("http://127.0.0.1:8000/v1", "", "none"),
        ("http://localhost:8000/v1", "", "none"),
        ("http://[::1]:8000/v1", "", "none"),
    ],
    ids=["remote", "local", "local-without", "localhost", "ipv6"],
)
def test_api_key(monkeypatch: pytest.MonkeyPatch, url: str, key: str, expected: str) -> None:
    """The key comes from the environment; a server on this machine needs none."""
    monkeypatch.setenv("MY_KEY", key)

    assert expected == api_key(ModelSpec("m", url, "MY_KEY"))


@pytest.mark.parametrize(
    "url",
    ["https://user:secret-word@example.org/v1?k=secret-word", "http://localhost.example.org/v1"],
    ids=ascii,
)
def test_api_key_missing(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A remote server needs a key; the message names the variable and no secret."""
    monkeypatch.delenv("MY_KEY", raising=False)

    with pytest.raises(ConfigError, match=r"MY_KEY is not set.*example\.org/v1.*--api-key-env") as caught:
        api_key(ModelSpec("m", url, "MY_KEY"))
    assert "secret" not in str(caught.value)
