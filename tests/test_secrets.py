"""The API key is sent and kept nowhere: in no file, on no screen, in no command line, whatever servers do."""

import ast
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from apo.backends.replies import LEAST_SECRET, classify, read
from tests.components.helpers import asked_text
from tests.little_server import Asked, LittleServer, Reply, error, said, serving
from tests.places import Done, Place
from tests.test_cli_run import KEY, even

SOURCES = sorted((Path(__file__).parent.parent / "apo").rglob("*.py"))
FORBIDDEN = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
ONCE = {"x-should-retry": "false", "x-echo": KEY, "set-cookie": f"key={KEY}"}


class Leaky:
    """A server that repeats the key wherever it can; `mode` says how it fails as a whole."""

    def __init__(self) -> None:
        self.mode, self.leaks = "", 0
        self._guard = threading.Lock()

    def __call__(self, asked: Asked) -> Reply:
        """The reply to a request that brings the key."""
        key = asked.key
        if asked.method == "GET":
            entry = {"id": "fake", "root": f"root-{key}", "owned_by": f"tests {key}", "max_model_len": 4096}
            return Reply(body={"data": [entry]}, headers=ONCE)
        with self._guard:
            self.leaks += 1
        text = asked_text(asked.body)
        if self.mode == "key":
            return Reply(401, error(f"Incorrect API key provided: {key}."), headers=ONCE)
        if "Number 13?" in text:
            return Reply(400, error(f"Bearer {key} asks too much"), headers=ONCE)
        if "Number 14?" in text:
            return Reply(503, f"<html>{key}</html>", kind="text/html", headers=ONCE)
        answer = even(asked.body)[1]
        body = said(answer.replace("</INS>", f" {key}</INS>") if "INS" in answer else answer)
        if "Number 15?" in text:
            body = said(f"even {key}")
        return Reply(body={**body, "model": f"other {key}" if self.mode == "model" else "fake"}, headers=ONCE)


@dataclass
class Scene:
    """Commands that were called with the key while the server repeated it."""

    place: Place
    leaky: Leaky
    done: dict[str, Done] = field(default_factory=dict)
    lines: set[bytes] = field(default_factory=set)
    """Command lines of all processes, seen meanwhile."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A run that ends well, one that fails, one answered by another model, a batch and an eval."""
    made = Place.at(tmp_path_factory.mktemp("secrets"))
    place = Place(made.path, made.results, {"APO_TEST_KEY": KEY})
    leaky = Leaky()
    scene = Scene(place, leaky)
    with serving(leaky) as server:
        run = place.line(server.url, "--cache", "--api-key-env", "APO_TEST_KEY", "--calls", "100")
        call(scene, "run", run)
        (best,) = place.results.glob("*/best.json")
        call(scene, "eval", ["eval", str(best), "--api-key-env", "APO_TEST_KEY"])
        batch_file(place, server)
        call(scene, "batch", ["batch", "mine.yaml"])
        for leaky.mode in ("key", "model"):
            call(scene, leaky.mode, [*run, "--fresh", "--seed", "5"])
        assert {KEY} == {asked.key for asked in server.asked}
        yield scene


def batch_file(place: Place, server: LittleServer) -> None:
    """A run with the key, `mine.yaml`."""
    common = {"url": server.url, "model": "fake", "calls": 60, "api_key_env": "APO_TEST_KEY"}
    content = {"tasks": ["parity.py"], "common": common}
    (place.path / "mine.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def call(scene: Scene, name: str, line: list[str]) -> None:
    """Run a command with files open to all unless it says otherwise, and look at all command lines."""
    process = scene.place.start(*line, prepare=_open_to_all)

    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(process.communicate, timeout=120)
        while not told.done():
            scene.lines.update(command_lines())
            time.sleep(0.1)
    out, err = told.result()
    scene.done[name] = Done(line, process.returncode, out, err)


def command_lines() -> Iterator[bytes]:
    """Of all processes that there are now."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended just now
            yield path.read_bytes()


def _open_to_all() -> None:
    os.umask(0)


def test_what_happened(scene: Scene) -> None:
    """The commands did what they were called for, and the server did repeat the key."""
    codes = {name: done.returncode for name, done in scene.done.items()}

    assert {"run": 0, "eval": 0, "batch": 0, "key": 1, "model": 1} == codes, scene.done
    assert "Incorrect API key provided: ***." in scene.done["key"].stderr
    assert "answered as 'other ***' instead of 'fake'" in scene.done["model"].stderr
    assert scene.leaky.leaks > 100


def test_screens(scene: Scene) -> None:
    """No command prints the key."""
    assert not [name for name, done in scene.done.items() if KEY in done.stdout + done.stderr]


def test_files(scene: Scene) -> None:
    """No file of runs, batches and cache holds the key, and its place in what was said is marked."""
    files = [path for path in scene.place.path.rglob("*") if path.is_file()]
    kinds = {path.name for path in files}
    whole = b"".join(path.read_bytes() for path in files)

    assert {
        "events.jsonl",
        "best.json",
        "spec.json",
        "apo.log",
        "summary.json",
        "completions.sqlite",
    } <= kinds
    assert KEY.encode() not in whole
    assert not [text for text in (KEY[3:], KEY[:-3]) if text.encode() in whole]
    assert all(text in whole for text in (b"even ***", b"root-***", b"tests ***", b"Bearer *** asks"))
    assert b"APO_TEST_KEY" in whole


def test_command_lines(scene: Scene) -> None:
    """No process was started with the key among its arguments, though the runs of a batch were seen."""
    assert [line for line in scene.lines if b"apo\0resume" in line]
    assert not [line for line in scene.lines if KEY.encode() in line]


def test_private(scene: Scene) -> None:
    """Whatever the umask, what apo makes can be read by its owner alone."""
    places = (scene.place.results, scene.place.path / "cache")
    made = [path for place in places for path in place.rglob("*") if path.name != "apo"] + [places[0]]
    modes = {path: path.stat().st_mode & 0o777 for path in made if not path.is_symlink()}

    assert {} == {path: oct(m) for path, m in modes.items() if m != (0o700 if path.is_dir() else 0o600)}


@pytest.mark.parametrize("pad", range(500 - len(KEY) - 1, 502))
def test_cut_in_the_key(pad: int) -> None:
    """Where a long message is cut, no part of the key is left."""
    message = classify(ValueError("x" * pad + KEY + " and more"), KEY).message

    assert "sk-" not in message
    assert message.startswith("x" * min(pad, 500))


@pytest.mark.parametrize(("key", "kept"), [("k" * LEAST_SECRET, False), ("EMPTY", True), ("none", True)])
def test_short_keys(key: str, kept: bool) -> None:
    """An answer is changed only for a key that is no word: servers without keys are given any word."""

    class Reply:
        class Choice:
            text, finish_reason = f"it is {key}", "stop"

        usage, model, choices = None, "m", (Choice,)

    assert f"it is {key if kept else '***'}" == read(Reply, "m", 0.0, key).text


def called(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """The calls in a source, with the names that are called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_nothing_is_run(path: Path) -> None:
    """No source unpickles, evaluates text or trusts remote code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    calls = list(called(tree))
    names = {name for name, _ in calls}
    words = {k.arg for _, c in calls for k in c.keywords if _truth(k.value)}

    assert not imported & FORBIDDEN
    assert not names & {"eval", "exec", "compile", "os.system", "os.popen", "yaml.load", "torch.load"}
    assert not words & {"trust_remote_code", "allow_pickle", "shell"}
    assert "--trust-remote-code" not in path.read_text(encoding="utf-8")


def _truth(value: Any) -> bool:
    return not (isinstance(value, ast.Constant) and value.value is False)


def test_sources_are_there() -> None:
    """The sources are looked for where they are."""
    assert len(SOURCES) > 60
