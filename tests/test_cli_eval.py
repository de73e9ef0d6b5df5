"""`apo eval`: an export is scored again on a live server, and a score outside its interval is told loudly."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.components.helpers import Answering, FakeServer, asked_text, fake_server
from tests.places import PARITY, ROWS, Done, Place, refused, well
from tests.test_cli_run import even

Change = Callable[[dict[str, Any]], object]
BETTER, SAME = "Number 3?", "50.0 % (25.4 to 74.6, n=12)"


@dataclass(frozen=True)
class Exported:
    """A finished run, whose answers are in the cache, and its server."""

    place: Place
    server: FakeServer

    @property
    def best(self) -> Path:
        """The export."""
        return self.place.run.best

    def eval(self, *more: str, answering: Answering = even, file: Path | None = None) -> Done:
        """Score it again while the server answers like that."""
        self.server.asked.clear()
        self.server.answering = answering
        try:
            return self.place.apo("eval", str(file or self.best), *more)
        finally:
            self.server.answering = even


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    """A run that used the cache."""
    place = Place.at(tmp_path_factory.mktemp("exported"))
    with fake_server(even) as server:
        well(place.apo(*place.line(server, "--calls", "36", "--cache")))
        assert (place.path / "cache" / "apo" / "completions.sqlite").is_file()
        yield Exported(place, server)


def right(body: dict[str, Any]) -> tuple[int, str]:
    """A model that knows."""
    number = int(asked_text(body).rpartition("Number ")[2].partition("?")[0])
    return 200, ("even", "odd")[number % 2]


def test_agrees(exported: Exported) -> None:
    """The same server gives a score in the interval: exit code 0; every row is asked, none from the cache."""
    done = well(exported.eval())

    assert f"parity, sealed test, on fake: now {SAME}\nThe export says {SAME}.\n" == done.stdout
    assert ROWS == len(exported.server.asked) == len({asked_text(body) for body in exported.server.asked})
    assert "OUTSIDE" not in done.stderr


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_outside(exported: Exported, as_json: bool) -> None:
    """A score outside the interval, above it too, is exit code 1 and said loudly."""
    done = exported.eval(*["--json"][:as_json], answering=right)
    said = "apo: the score is OUTSIDE the exported interval. The server says that it is the same"

    assert 1 == done.returncode
    assert said in done.stderr.splitlines()[-1]
    if as_json:
        assert (False, 1.0, 0.5) == _compared(done)
    else:
        assert "on fake: now 100.0 % (" in done.stdout


def _compared(done: Done) -> tuple[bool | None, float, float]:
    content = json.loads(done.stdout)
    return content["agrees"], content["now"]["mean"], content["exported"]["mean"]


def test_json(exported: Exported) -> None:
    """With --json stdout is one object and stderr is empty."""
    done = well(exported.eval("--json"))
    content = json.loads(done.stdout)

    assert "" == done.stderr
    assert (True, 0.5, 0.5) == _compared(done)
    assert {"split": "test", "missing": 0, "model": "fake"}.items() <= content.items()


def test_another_server(exported: Exported) -> None:
    """Another model at another address is named as what has changed."""
    with fake_server(right, model="other") as other:
        done = exported.eval("--url", other.url, "--model", "other")

    assert 1 == done.returncode
    assert "The export was made with another server: model 'fake', now 'other'" in done.stderr
    assert f"base_url '{exported.server.url}', now '{other.url}'" in done.stderr
    assert (ROWS, 0) == (len(other.asked), len(exported.server.asked))


def test_another_task(exported: Exported) -> None:
    """On another task's rows the prompt is scored, and nothing is compared."""
    task = PARITY.format(rows=8).replace('"Number {n}', '"Is it odd? Number {n}').replace("parity", "other")
    (exported.place.path / "other.py").write_text(task, encoding="utf-8")
    done = well(exported.eval("--task", "other.py"))

    assert "other, sealed test, on fake: now 50.0 % (21.5 to 78.5, n=8)\n" == done.stdout
    assert (
        "Not compared with the export: the rows or their scorer are others." == done.stderr.splitlines()[-1]
    )
    assert 8 == len(exported.server.asked)


def test_missing(exported: Exported) -> None:
    """Rows without an answer are shown and are no part of the score."""

    def failing(body: dict[str, Any]) -> tuple[int, str]:
        return (503, "busy") if "Number 24?" in asked_text(body) else even(body)

    done = well(exported.eval(answering=failing))

    assert "now 45.5 % (" in done.stdout
    assert "n=11)\n1 rows got no answer and are no part of the score.\n" in done.stdout


def test_nothing_answered(exported: Exported) -> None:
    """Where no row is answered there is no score: exit code 1."""
    done = exported.eval(answering=lambda _: (400, "maximum context length is 10"))

    assert 1 == done.returncode
    assert f"on fake: now no answered row\n{ROWS} rows got no answer" in done.stdout
    assert "Not compared with the export: no row was answered." == done.stderr.splitlines()[-1]


def test_refusing_server(exported: Exported) -> None:
    """A server that refuses the key ends it with one message."""
    # On a server of its own: what is under way when it ends may arrive late.
    with fake_server(lambda _: (401, "bad key")) as other:
        done = exported.eval("--json", "--url", other.url)

    refused(done, 1, "The model server refuses every request: authentication")


def test_dev_rows(exported: Exported, tmp_path: Path) -> None:
    """An export that met no sealed test is scored on the dev rows, past its own exemplars."""

    def untested(content: dict[str, Any]) -> None:
        content["scores"]["test"] = None

    done = well(exported.eval(file=changed(exported, tmp_path, untested)))

    assert f"parity, dev rows, on fake: now {SAME}\n" in done.stdout
    assert [f"Number {n}?" for n in range(12, 24)] == sorted(
        asked_text(body).rpartition("\n")[2] for body in exported.server.asked
    )


def changed(exported: Exported, folder: Path, change: Change) -> Path:
    """The export with a change."""
    content = json.loads(exported.best.read_text(encoding="utf-8"))
    change(content)
    path = folder / "changed.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


FOREIGN: dict[str, tuple[bytes | Change, str]] = {
    "empty": (b"", "is no JSON"),
    "text": (b"Say even or odd.", "is no JSON"),
    "bytes": (b"\xff\xfe{}", "is no JSON"),
    "deep": (b"[" * 100_000, "is no JSON"),
    "list": (b"[]", "is no export of this version of apo: at the top"),
    "object": (b"{}", "is no export of this version of apo: at the top"),
    "version": (lambda c: c.update(schema_version=99), "at schema_version"),
    "score": (lambda c: c["scores"]["test"]["winner"].update(mean="high"), "at scores/test/winner/mean"),
    "no_prompt": (lambda c: c.pop("prompt"), "'prompt' is a required property"),
    "prompt": (lambda c: c["prompt"].update(instruction=7), "at prompt/instruction"),
    "layout": (lambda c: c["prompt"]["layout"].update(form="spiral"), "at prompt/layout/form"),
    "no_task": (lambda c: c["task"]["source"].update(name="nope"), "There is no task 'nope'."),
    "task_file": (lambda c: c["task"]["source"].update(name="/no/nope.py"), "no task file '/no/nope.py'"),
    "source": (lambda c: c["task"]["source"].update(sizes="many"), "task/source"),
    "columns": (lambda c: c["task"]["source"].update(columns=["a"]), "task/source"),
    "url": (lambda c: c["model"].update(base_url="ftp://x"), "'ftp://x' is no address of a server"),
    "secret": (lambda c: c["model"].update(base_url="http://u:p@127.0.0.1:9/v1"), "carries a user name"),
    "gone": (lambda c: c["model"].update(base_url="http://127.0.0.1:9/v1"), "No model server answers at"),
    "model": (lambda c: c["model"].update(model="flake"), "Did you mean 'fake'?"),
}
"""Files that are no export, or one that cannot be scored here, and a part of the message."""


@pytest.fixture(scope="module")
def mistakes(exported: Exported, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """What came of every one of them."""
    folder = tmp_path_factory.mktemp("foreign")
    files: dict[str, Path] = {"missing": folder / "nope.json", "folder": folder}
    for name, (content, _) in FOREIGN.items():
        files[name] = folder / f"{name}.json"
        if isinstance(content, bytes):
            files[name].write_bytes(content)
        else:
            files[name] = changed(exported, folder, content).rename(files[name])
    exported.server.asked.clear()
    done = exported.place.several(["eval", str(path), "--json"] for path in files.values())
    assert [] == exported.server.asked
    return dict(zip(files, done, strict=True))


@pytest.mark.parametrize("name", ["missing", "folder", *FOREIGN])
def test_foreign(mistakes: dict[str, Done], name: str) -> None:
    """A file that is no export that can be scored here is told in one line, and nobody is asked."""
    refused(mistakes[name], 2, FOREIGN[name][1] if name in FOREIGN else " cannot be read: ")


def test_report_shows_what_it_found(exported: Exported) -> None:
    """Scores on other models, the newest of each, stand in the run's report; a broken line harms nothing."""
    for answering in (even, right):
        with fake_server(answering, model="elsewhere") as other:
            exported.eval("--url", other.url, "--model", "elsewhere")
    with (exported.best.parent / "transfers.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"candidate": "c')
    page = exported.place.path / "page"
    well(exported.place.apo("report", exported.best.parent.name, "--output", str(page)))
    text = (page / "report.html").read_text(encoding="utf-8")

    assert "Scored again, here and elsewhere" in text
    assert text.count(">elsewhere<") == 1
    assert "100.0 % (" in text.partition("Scored again, here and elsewhere")[2]
