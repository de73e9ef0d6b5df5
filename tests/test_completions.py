"""The store of completions: what it gives back, what it never keeps, and what may go wrong around it."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from apo.backends import Completion, Request
from apo.backends.completions import Completions, describe, server_key
from apo.backends.holdings import clear, holdings, sample, size
from apo.candidate import Failure, Usage
from apo.prompt import Message
from apo.spec import Identity

CHAT = Request((Message("system", "Name the colour."), Message("user", "ball")), 5)
RED = Completion("red", Usage(12, 3, 0.25))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of a test is."""
    return tmp_path / "kept" / "completions.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Completions]:
    """An empty store."""
    with Completions(path) as opened:
        yield opened


def text_of(store: Completions, request: Request, server: str = "a") -> str | None:
    """The text that the store has for a request."""
    found = store.get(server, request)
    return None if found is None else found.completion.text


def test_round_trip(store: Completions, path: Path) -> None:
    """What was kept comes back with its tokens, marked as cached, also after the file was closed."""
    store.put("a", CHAT, RED)
    store.put("a", Request("Q:", 9, 0.5, 7, ("\n",), ("yes", "no")), replace(RED, text="yes", cut_off=True))
    store.close()
    with Completions(path) as again:
        chat = again.get("a", replace(CHAT, tag="c1/row-1"))
        plain = again.get("a", Request("Q:", 9, 0.5, 7, ("\n",), ("yes", "no")))

    assert chat is not None
    assert plain is not None
    assert Completion("red", Usage(12, 3, 0.25, cached=True)) == chat.completion
    assert ("yes", True) == (plain.completion.text, plain.completion.cut_off)
    assert plain.id > chat.id


@pytest.mark.parametrize(
    "other",
    [
        replace(CHAT, rendered=(Message("user", "Name the colour."), Message("user", "ball"))),
        replace(CHAT, rendered="ball"),
        replace(CHAT, max_tokens=6),
        replace(CHAT, temperature=0.5, seed=1),
        replace(CHAT, seed=1),
        replace(CHAT, stop=("\n",)),
        replace(CHAT, choices=("red", "blue")),
    ],
)
def test_other_requests(store: Completions, other: Request) -> None:
    """A request that differs in anything that decides the answer has its own."""
    store.put("a", CHAT, RED)
    before = text_of(store, other)
    store.put("a", other, replace(RED, text="blue"))

    assert (None, "red", "blue") == (before, text_of(store, CHAT), text_of(store, other))


def test_servers_apart(store: Completions) -> None:
    """No server's answer is given for another's."""
    store.put("a", CHAT, RED)
    store.put("c", CHAT, replace(RED, text="blue"))

    found = [text_of(store, CHAT, server) for server in "abc"]
    assert ["red", None, "blue"] == found


def test_replaced(store: Completions) -> None:
    """A later answer takes the place of the one before, and is the newest."""
    store.put("a", CHAT, RED)
    before = store.newest()
    store.put("a", CHAT, replace(RED, text="blue"))

    assert "blue" == text_of(store, CHAT)
    assert [1] == [one.entries for one in holdings(store)]
    assert store.newest() > before > 0


def test_sampled_draws(store: Completions) -> None:
    """A draw is known by its seed; one without a seed is always new."""
    for seed in (1, 2):
        store.put("a", replace(CHAT, temperature=1.0, seed=seed), replace(RED, text=f"draw {seed}"))
    store.put("a", replace(CHAT, temperature=1.0), RED)

    assert "draw 2" == text_of(store, replace(CHAT, temperature=1.0, seed=2))
    assert text_of(store, replace(CHAT, temperature=1.0)) is None
    assert [2] == [one.entries for one in holdings(store)]


def test_failures_never_kept(store: Completions) -> None:
    """A failure is not an answer."""
    store.put("a", CHAT, Completion("", Usage(), failure=Failure("timeout", "too slow")))

    assert store.get("a", CHAT) is None
    assert [] == holdings(store)


HOSTILE = {
    "nul": "a\0b\0",
    "controls": "\x1b[31m\r\n\t\x7f\u2028\u202e",
    "unicode": "é🙂\U0010ffff\ufffe",
    "quotes": "'); DROP TABLE entries; --\"",
    "long": "word " * 40_000,
    "empty": "",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text(store: Completions, text: str) -> None:
    """Any text comes back as it is, from requests, from answers and from a sample."""
    request = Request((Message("user", text),), 5, stop=(text,), choices=(text, "x"))
    store.put("a", request, replace(RED, text=text))

    assert text == text_of(store, request)
    assert [(request, text)] == sample(store, "a", 9)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (replace(CHAT, rendered="\ud800"), RED),
        (CHAT, replace(RED, text="\ud800")),
        (CHAT, replace(RED, usage=Usage(10**30))),
    ],
)
def test_not_worth_keeping(store: Completions, request_: Request, answer: Completion) -> None:
    """What the file has no place for is left out, and the store goes on."""
    store.put("a", request_, answer)
    store.put("b", CHAT, RED)

    assert store.get("a", request_) is None
    assert ("red", "") == (text_of(store, CHAT, "b"), store.problem)


def test_oldest_are_deleted(path: Path) -> None:
    """Beyond its limit the store forgets the oldest answers and keeps the newest."""
    limit = 300_000
    with Completions(path, limit=limit) as store:
        for n in range(1000):
            store.put("a", Request(f"{n}", 5), replace(RED, text=f"{n}" * 200))
        (holding,) = holdings(store)
        there = [store.get("a", Request(f"{n}", 5)) is not None for n in range(1000)]

    assert 200 < holding.entries < 700
    assert there == sorted(there)
    assert size(path) < 2 * limit


def test_limit_of_nothing(path: Path) -> None:
    """A limit that even an empty file exceeds keeps nothing for long and breaks nothing."""
    with Completions(path, limit=1) as store:
        for n in range(130):
            store.put("a", Request(f"{n}", 5), RED)

        assert store.get("a", Request("0", 5)) is None
        assert "" == store.problem


def test_file_modes(store: Completions, path: Path) -> None:
    """Prompts and answers are readable by their owner alone."""
    store.put("a", CHAT, RED)
    files = sorted(path.parent.iterdir())

    assert [path.name, f"{path.name}-shm", f"{path.name}-wal"] == [file.name for file in files]
    assert {0o600} == {stat.S_IMODE(file.stat().st_mode) for file in files}
    assert 0o700 == stat.S_IMODE(path.parent.stat().st_mode)


def test_holdings(store: Completions) -> None:
    """Each server is listed with its description, its answers and their dates, the last one first."""
    first, second = Identity("m", base_url="http://one/v1"), Identity("m", base_url="http://two/v1")
    for identity, count in ((first, 3), (second, 2)):
        key = store.register(identity)
        for n in range(count):
            store.put(key, Request(f"{n}", 5), RED)
    found = holdings(store)

    assert [(server_key(second), describe(second), 2), (server_key(first), describe(first), 3)] == [
        (one.key, one.description, one.entries) for one in found
    ]
    assert all(one.oldest <= one.newest for one in found)


def test_sample(store: Completions) -> None:
    """A sample takes requests at temperature 0 before drawn ones, and only of one server."""
    for n in range(5):
        store.put("a", Request(f"drawn {n}", 5, 1.0, n), RED)
        store.put("a", Request(f"plain {n}", 5, tag=f"{n}"), RED)
        store.put("b", Request(f"other {n}", 5), RED)
    found = [str(request.rendered) for request, _ in sample(store, "a", 7)]

    assert {f"plain {n}" for n in range(5)} == set(found[:5])
    assert all(text.startswith("drawn") for text in found[5:])
    assert 7 == len(found)


def test_clear(store: Completions, path: Path) -> None:
    """Clearing takes one server's answers or all, gives the space back, and the store goes on."""
    for n in range(500):
        store.put("ab"[n % 2], Request(f"{n}", 5), replace(RED, text="x" * 500))
    before, old = size(path), store.newest()

    assert 250 == clear(store, "a")
    assert ["b"] == [one.key for one in holdings(store)]
    assert 250 == clear(store)
    assert size(path) < before / 4
    store.put("a", CHAT, RED)
    assert store.newest() > old
    assert ("red", "") == (text_of(store, CHAT), store.problem)


def test_server_key() -> None:
    """The key is 16 hex digits and differs with every field of the identity."""
    plain = Identity("m")
    others = [
        Identity("n"),
        Identity("m", root="r"),
        Identity("m", engine="vllm 1"),
        Identity("m", base_url="http://x/v1"),
        Identity("m", context=2048),
    ]
    keys = {server_key(identity) for identity in (plain, *others)}

    assert server_key(plain) == server_key(Identity("m"))
    assert 6 == len(keys)
    assert all(16 == len(key) and int(key, 16) >= 0 for key in keys)
