"""Several addresses: they must serve one model, some may be silent, and more or fewer are the same run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apo.backends import Request
from apo.backends.completions import describe, server_key
from apo.connection import api_key, check, connect
from apo.errors import ConfigError, ServerError, SilentError
from apo.identity import joined
from apo.options import RunOptions, from_mapping
from apo.prompt import Message
from apo.resuming import check_same, check_spec
from apo.spec import Identity, ModelSpec, RunSpec
from tests.helpers import history_of, started, toy_spec, toy_task
from tests.little_server import Asked, Reply, error, said, serving, unused_url

ENTRY = {"id": "m", "owned_by": "vllm", "root": "org/m", "max_model_len": 2048}


def vllm(tokens: tuple[int, ...] = (1, 2), version: str = "1", **changes: Any) -> Callable[[Asked], Reply]:
    """A vLLM server of one model, which may be another one."""

    def answer(asked: Asked) -> Reply:
        told: dict[str, Any] = {
            "/v1/models": {"data": [ENTRY | changes]},
            "/version": {"version": version},
            "/tokenize": {"tokens": list(tokens)},
            "/v1/chat/completions": said("red"),
        }
        return Reply(body=told[asked.path])

    return answer


def at(*urls: str) -> ModelSpec:
    """The model at these addresses."""
    return ModelSpec("m", urls[0], more_urls=urls[1:])


def ask(spec: ModelSpec, count: int = 40) -> tuple[Identity, set[str], list[str]]:
    """What is behind the addresses, all answers, and what was told."""
    told: list[str] = []
    with connect(spec, lambda _: None) as link:
        link.listen(told.append)
        found = link.backend.stream([Request((Message("user", f"{n}"),), 5) for n in range(count)])
        return link.identity, {completion.text for _, completion in found}, told


def test_two_servers() -> None:
    """Both are asked; together they are one, with the shorter context, in whatever order they are named."""
    with serving(vllm()) as first, serving(vllm(version="2", max_model_len=1024)) as second:
        identity, texts, told = ask(at(first.url, second.url))
        other, *_ = ask(at(second.url, first.url))
        asked = [sum(a.path.endswith("completions") for a in s.asked) for s in (first, second)]

    assert ({"red"}, []) == (texts, told)
    assert min(asked) > 0
    assert set(identity.base_url.split()) == {first.url, second.url}
    assert ("vllm 1, vllm 2", 1024, "org/m") == (identity.engine, identity.context, identity.root)
    assert server_key(identity) == server_key(other)
    assert describe(identity).endswith(", at " + ", ".join(sorted((first.url, second.url))))


def test_one_address_is_as_before() -> None:
    """The answers that were kept of one server are found again."""
    one = Identity("m", "org/m", "http://h/v1", "", "t", "vllm 1", 2048)

    assert "22320437672bb831" == server_key(one)
    assert one == joined([one], ["http://h/v1"])


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (vllm((1, 3)), "template is '.*' at http://127.* and '.*' at http://127"),
        (vllm(root="org/other"), "root is 'org/m' at http://127.* and 'org/other' at http"),
        (lambda asked: Reply(401, error("no")), "refuses the API key"),
        (vllm(id="x"), "no model at http.* named 'm'"),
    ],
    ids=["template", "root", "key", "name"],
)
def test_another_model(second: Callable[[Asked], Reply], told: str) -> None:
    """Servers that do not serve the same are refused, with the addresses and what differs."""
    with serving(vllm()) as first, serving(second) as other, pytest.raises(ServerError, match=told) as caught:
        ask(at(first.url, other.url))

    assert other.url in str(caught.value)


def test_one_is_silent() -> None:
    """The others go on without it, which is told; the run is known by all its addresses."""
    silent = unused_url()
    with serving(vllm()) as server:
        identity, texts, told = ask(at(silent, server.url), 200)

    assert {"red"} == texts
    assert {silent, server.url} == set(identity.base_url.split())
    assert 1 == len(told)
    assert told[0].startswith(f"The server at {silent} is lost (connection: No model server answers at")


def test_all_are_silent() -> None:
    """Then it is as with one: the message names the first."""
    with pytest.raises(SilentError, match="No model server answers at"):
        ask(at(unused_url(), unused_url()))


def test_addresses_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address is looked at before anything is started, and one far away needs a key."""
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ConfigError, match="'nowhere' is no address"):
        check(at("http://127.0.0.1:8000/v1", "nowhere"))
    with pytest.raises(ConfigError, match="'http://a/v1 http://b/v1' is no address"):
        check(at("http://127.0.0.1:8000/v1", "http://a/v1 http://b/v1"))
    with pytest.raises(ConfigError, match="no API key for http://far/v1"):
        api_key(replace(at("http://127.0.0.1/v1", "http://far/v1"), api_key_env="MY_KEY"))


@pytest.mark.parametrize(
    ("urls", "expected"),
    [((), ()), (("a",), ("a",)), (("a", "b", "a"), ("a", "b"))],
    ids=["none", "one", "again"],
)
def test_options(urls: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Each address counts once; none is a server of our own."""
    assert expected == RunOptions(task="tickets", url=urls).spec().model.urls


def test_options_in_files() -> None:
    """A batch file names one address as text, or several as a list."""
    assert ("a",) == from_mapping("file", {"task": "tickets", "url": "a"}).url
    assert ("a", "b") == from_mapping("file", {"task": "tickets", "url": ["a", "b"]}).url


def test_old_specifications_are_read(tmp_path: Path) -> None:
    """A run that was begun before there could be several servers."""
    spec = toy_spec()
    old = msgspec.to_builtins(spec)
    del old["model"]["more_urls"]

    assert spec == msgspec.convert(old, RunSpec)


def test_more_or_fewer_servers_are_the_same_run() -> None:
    """As long as one stays; others altogether are refused."""
    there = toy_spec(model=at("http://a/v1", "http://b/v1"), proposal_model=at("http://p/v1"))
    check_spec(there, replace(there, model=at("http://b/v1", "http://c/v1")), "mine")
    check_spec(there, replace(there, proposal_model=at("http://q/v1", "http://p/v1")), "mine")
    with pytest.raises(ConfigError, match=r"model\.base_url is 'http://a/v1' there and 'http://c/v1' here"):
        check_spec(there, replace(there, model=at("http://c/v1")), "mine")
    with pytest.raises(ConfigError, match=r"model\.model is 'm' there and 'n' here"):
        check_spec(there, replace(there, model=replace(there.model, model="n")), "mine")


def test_going_on_with_more_servers() -> None:
    """A run on one server goes on with two, if it is the same model."""
    task, spec = toy_task(), toy_spec()
    history = history_of(started(task, spec))
    url = str(spec.model.base_url)
    more = replace(spec, model=replace(spec.model, more_urls=("http://b/v1",)))
    server = replace(history.server, base_url=f"{url} http://b/v1")

    check_same(history, more, task, server, "mine")
    with pytest.raises(ConfigError, match="Its template is '' there and 'x' here"):
        check_same(history, more, task, replace(server, template="x"), "mine")
