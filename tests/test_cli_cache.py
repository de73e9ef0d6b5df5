"""`apo cache`: what is listed, verified and removed, and each mistake in one line."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apo.backends import Completion, Request
from apo.backends.completions import Completions, file_in, server_key
from apo.backends.holdings import holdings
from apo.candidate import Usage
from apo.identity import identify
from apo.prompt import Message
from apo.spec import Identity
from tests.components.helpers import FakeServer, asked_text, fake_server
from tests.test_cli import APO, NOBODY

ELSEWHERE = Identity("big", base_url="http://elsewhere/v1", engine="vllm 1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the program of these tests keeps its answers."""
    return file_in(tmp_path / "apo")


def call(path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """`apo cache` with a cache folder of its own."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(path.parent.parent), "COLUMNS": "200"}
    return subprocess.run(
        [APO, "cache", *command],
        cwd=path.parent.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def echo(body: dict[str, Any]) -> tuple[int, str]:
    """What the server of these tests answers."""
    return 200, f"said {asked_text(body)}"


def keep(path: Path, identity: Identity, count: int, said: Callable[[str], str] = "said {}".format) -> str:
    """Keep some answers of a server; gives its key."""
    with Completions(path) as store:
        key = store.register(identity)
        for n in range(count):
            request = Request((Message("user", f"{n}"),), 5, tag=f"{n}")
            store.put(key, request, Completion(said(f"{n}"), Usage(1, 1, 0.1)))
    return key


def known(server: FakeServer) -> Identity:
    """The server's identity, as a run sees it."""
    return identify(server.url, "none", "fake", "OPENAI_API_KEY")


def where(server: FakeServer) -> list[str]:
    """Options that name the server."""
    return ["--url", server.url, "--model", "fake"]


def kept(path: Path) -> dict[str, int]:
    """Answers by server."""
    with Completions(path) as store:
        return {one.key: one.entries for one in holdings(store)}


@pytest.mark.parametrize("command", [[], ["show"], ["clear"], ["verify", "--url", NOBODY]])
def test_nothing_kept(path: Path, command: list[str]) -> None:
    """Without a file there is nothing, nothing is made, and no server is asked."""
    done = call(path, *command)

    assert (0, "", 1) == (done.returncode, done.stderr, done.stdout.count("\n"))
    assert str(path) in done.stdout
    assert not path.exists()


@pytest.mark.parametrize("command", [[], ["show"]])
def test_show(path: Path, command: list[str]) -> None:
    """The table names each server with its answers; the last line says where and how large."""
    key = keep(path, ELSEWHERE, 7)
    done = call(path, *command)
    header, row, last = done.stdout.splitlines()

    assert (0, "") == (done.returncode, done.stderr)
    assert ["key", "server", "answers", "oldest", "newest"] == header.split()
    assert row.startswith(key)
    assert "big, vllm 1, at http://elsewhere/v1" in row
    assert last.startswith("7 answers, ")
    assert last.endswith(f"kB in {path}")


@pytest.mark.parametrize("command", [["--json"], ["show", "--json"]])
def test_show_json(path: Path, command: list[str]) -> None:
    """As JSON the same, with exact numbers."""
    key = keep(path, ELSEWHERE, 7)
    shown = json.loads(call(path, *command).stdout)
    (server,) = shown["servers"]

    assert (str(path), True) == (shown["path"], shown["bytes"] > 1000)
    assert (key, 7) == (server["key"], server["entries"])
    assert server["oldest"] <= server["newest"]


def test_verify_same(path: Path) -> None:
    """A server that answers as before is confirmed by a sample."""
    with fake_server(echo) as server:
        keep(path, known(server), 30)
        done = call(path, "verify", "--sample", "12", *where(server))

    assert 0 == done.returncode
    assert "12 of 12 answers are the same as the kept ones.\n" == done.stdout
    assert 12 == len(server.asked)


@pytest.mark.parametrize(("wrong", "code"), [(5, 0), (6, 1)])
def test_verify_differs(path: Path, wrong: int, code: int) -> None:
    """More than a quarter of other answers is an exit code of 1 and the way out."""
    with fake_server(echo) as server:
        key = keep(path, known(server), 20, lambda text: f"{'other' if int(text) < wrong else 'said'} {text}")
        done = call(path, "verify", *where(server))

    assert (code, f"{20 - wrong} of 20 ") == (done.returncode, done.stdout[:9])
    assert (code == 1) == (f"apo cache clear --server {key}" in done.stderr)


def test_verify_unknown_server(path: Path) -> None:
    """A server of which nothing is kept has nothing to verify."""
    keep(path, ELSEWHERE, 5)
    with fake_server(echo) as server:
        done = call(path, "verify", *where(server))

    assert (0, []) == (done.returncode, server.asked)
    assert "nothing to verify" in done.stdout


def test_verify_no_answer(path: Path) -> None:
    """A server that answers none of the requests is an error, not a difference."""
    with fake_server(lambda _: (400, "broken")) as server:
        keep(path, known(server), 5)
        done = call(path, "verify", *where(server))

    assert (1, "") == (done.returncode, done.stdout)
    assert "apo: None of 5 requests was answered. The first failed with request" in done.stderr


def test_verify_some_fail(path: Path) -> None:
    """Requests that fail are left out of the comparison."""
    with fake_server(lambda body: (400, "no") if asked_text(body) == "3" else echo(body)) as server:
        keep(path, known(server), 5)
        done = call(path, "verify", *where(server))

    assert (0, "4 of 4 answers are the same as the kept ones.\n") == (done.returncode, done.stdout)
    assert "1 requests failed" in done.stderr


def test_clear(path: Path) -> None:
    """One server's answers are removed, or all."""
    keep(path, ELSEWHERE, 300)
    key = keep(path, Identity("small"), 40)
    first = call(path, "clear", "--server", key)
    between = kept(path)
    second = call(path, "clear")

    assert (0, "") == (first.returncode, first.stderr)
    assert first.stdout.startswith("Removed 40 answers, ")
    assert {server_key(ELSEWHERE): 300} == between
    assert second.stdout.startswith("Removed 300 answers, ")
    assert second.stdout.endswith("kB.\n")
    assert {} == kept(path)


MISTAKES = {
    "no_server": (["verify", "--url", NOBODY], "No model server answers at"),
    "no_address": (["verify", "--url", "nowhere"], "is no address of a server"),
    "unknown_key": (["clear", "--server", "nope"], "There is no server in the cache with the key 'nope'."),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(path: Path, mistake: str) -> None:
    """A mistake is one line and exit code 2, and nothing is removed."""
    keep(path, ELSEWHERE, 5)
    command, said = MISTAKES[mistake]
    done = call(path, *command)

    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    assert done.stderr.startswith("apo: ")
    assert said in done.stderr
    assert {server_key(ELSEWHERE): 5} == kept(path)


def test_damaged_file(path: Path) -> None:
    """A damaged file is told by every command but the one that removes it."""
    path.parent.mkdir()
    path.write_text("This is no database.\n" * 100)
    for command in (["show"], ["verify", "--url", NOBODY], ["clear", "--server", "x"]):
        done = call(path, *command)
        assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
        assert "apo cache clear" in done.stderr
    done = call(path, "clear")

    assert (0, "") == (done.returncode, done.stderr)
    assert f"Removed {path}" in done.stdout
    assert not path.exists()
