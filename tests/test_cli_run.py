"""Whole runs from the command line, against a small server that speaks the protocol."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from apo import words
from apo.store.runs import RunFolder, list_runs
from tests.components.helpers import FakeServer, asked_text, fake_server
from tests.test_cli import APO, FILES

KEY = "sk-planted-0123456789abcdef"
DATA = "text,label\n" + "".join(f"ball {n:03d} is it?,{('red', 'blue')[n % 2]}\n" for n in range(40))
CALLS = 160


def answering(body: dict[str, Any]) -> tuple[int, str]:
    """New instructions when asked at a temperature, else the ball's colour if the prompt shows some."""
    text = asked_text(body)
    if body["temperature"] > 0:
        return 200, f"<INS>Say the colour, version {body['seed']}.</INS>"
    number = text.rpartition("ball ")[2][:3]
    right = text.count("ball ") > 3 or int(number) % 3 == 0
    return 200, ("red", "blue")[(int(number) + (not right)) % 2]


def environment() -> dict[str, str]:
    """The environment with a key in it."""
    return {**os.environ, "APO_TEST_KEY": KEY, "COLUMNS": "200"}


def command(server: FakeServer, *more: str) -> list[str]:
    """`apo run` on the balls."""
    data = ["--data", "balls.csv", "--input", "text", "--target", "label", "--scorer", "choice"]
    where = ["--url", server.url, "--model", "fake", "--api-key-env", "APO_TEST_KEY"]
    return [APO, "run", *data, *where, "--calls", str(CALLS), *more]


def call(folder: Path, line: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder to its end."""
    return subprocess.run(
        line, cwd=folder, env=environment(), capture_output=True, text=True, timeout=180, check=False
    )


@dataclass(frozen=True)
class Finished:
    """A run that ended, where it lies, and what the server was asked."""

    where: Path
    done: subprocess.CompletedProcess[str]
    server: FakeServer

    @property
    def run(self) -> RunFolder:
        """Its folder."""
        (run,) = list_runs(self.where / "results")
        return run

    def apo(self, *arguments: str) -> str:
        """What another command prints of it."""
        done = call(self.where, [APO, *arguments])
        assert (0, "") == (done.returncode, done.stderr)
        return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """A whole run."""
    where = tmp_path_factory.mktemp("balls")
    (where / "balls.csv").write_text(DATA, encoding="utf-8")
    with fake_server(answering) as server:
        done = call(where, command(server))
        yield Finished(where, done, server)


def test_ends_well(finished: Finished) -> None:
    """A run ends with exit code 0, its table on stdout and its progress on stderr."""
    done = finished.done

    assert 0 == done.returncode, done.stderr
    assert f"The best prompt: results/{finished.run.name}/best.json" in done.stdout
    assert "Sealed test: seed" in done.stdout
    assert "step 0: the seed prompt" in done.stderr
    assert "finished (budget spent)" in done.stderr
    assert "Traceback" not in done.stderr


def test_budget_and_ledger(finished: Finished) -> None:
    """The server was asked as often as the journal says, and not more than allowed."""
    history = finished.run.history()

    assert history.total.calls == len(finished.server.asked) <= CALLS
    assert "finished" == words.state(history)


def test_best_fits_schema(finished: Finished) -> None:
    """The exported prompt is what the schema promises."""
    schema = json.loads(finished.apo("export", "--schema"))
    best = json.loads(finished.run.best.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)

    assert [] == [e.message for e in jsonschema.Draft202012Validator(schema).iter_errors(best)]
    assert ("finished", finished.run.name) == (best["status"], best["run"])


def test_export(finished: Finished) -> None:
    """Exporting prints what the run left, to a file too, and other candidates by id."""
    best = json.loads(finished.run.best.read_text(encoding="utf-8"))
    finished.apo("export", "--output", "copy.json")

    assert best == json.loads(finished.apo("export"))
    assert best == json.loads((finished.where / "copy.json").read_text(encoding="utf-8"))
    assert "c0" == json.loads(finished.apo("export", finished.run.name, "--candidate", "c0"))["candidate"]


def test_export_can_be_sent(finished: Finished) -> None:
    """The exported request holds the placeholder once, and the server answers it when it is filled in."""
    request = json.loads(finished.apo("export"))["request"]
    body = json.dumps(request["body"])

    assert 1 == body.count(request["placeholder"])
    assert 200 == answering(json.loads(body.replace(request["placeholder"], "ball 007 is it?")))[0]


def test_show(finished: Finished) -> None:
    """The leaderboard is shown as a table and as JSON, and a candidate as the model receives it."""
    rows = json.loads(finished.apo("show", "--json"))
    table = finished.apo("show", finished.run.name, "--all")

    assert len(finished.run.history().candidates) == len(rows)
    assert all(f" {row['candidate']['id']} " in table for row in rows)
    assert "{{input}}" in finished.apo("show", "--candidate", "c0")


def test_list(finished: Finished) -> None:
    """The run is listed with its state and scores."""
    (row,) = json.loads(finished.apo("list", "--json"))

    assert (finished.run.name, "finished") == (row["run"], row["state"])
    assert row["run"] in finished.apo("list")


def test_unknown_candidate(finished: Finished) -> None:
    """A candidate that is not there is told with those that are."""
    done = call(finished.where, [APO, "show", "--candidate", "c999"])

    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    assert "There is no candidate 'c999'." in done.stderr


def test_key_is_nowhere(finished: Finished) -> None:
    """The API key is sent, and stands in no file of the run and on no screen."""
    texts = [path.read_bytes() for path in finished.run.path.iterdir() if path.is_file()]

    assert {f"Bearer {KEY}"} == finished.server.keys
    assert not [text for text in texts if KEY.encode() in text]
    assert KEY not in finished.done.stdout + finished.done.stderr
    assert b"APO_TEST_KEY" in finished.run.journal.read_bytes()


def test_files_are_private(finished: Finished) -> None:
    """Nobody but the owner can read a run."""
    paths = [finished.run.path, *finished.run.path.iterdir()]

    assert not [path for path in paths if path.stat().st_mode & 0o077]


def python_task(folder: Path, server: FakeServer, *more: str) -> list[str]:
    """`apo run` on a task that is quick to load."""
    (folder / "parity.py").write_text(str(FILES["parity.py"]), encoding="utf-8")
    return [APO, "run", "parity.py", "--url", server.url, "--model", "fake", *more]


def even(body: dict[str, Any]) -> tuple[int, str]:
    """A model that always says the same, and proposes."""
    return 200, f"<INS>Is it {body['seed']}?</INS>" if body["temperature"] > 0 else "even"


def test_json(tmp_path: Path) -> None:
    """With --json stdout is the best prompt as JSON, and stderr stays empty."""
    with fake_server(even) as server:
        done = call(tmp_path, python_task(tmp_path, server, "--calls", "60", "--json"))

    assert (0, "") == (done.returncode, done.stderr)
    assert json.loads(done.stdout)["candidate"].startswith("c")


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_dry_run(tmp_path: Path, as_json: bool) -> None:
    """A dry run asks the first rows, prints what the run would use, and leaves nothing."""
    options = ["--calls", "500", "--dry-run", *(["--json"] if as_json else [])]
    with fake_server(even) as server:
        done = call(tmp_path, python_task(tmp_path, server, *options))
    calls = json.loads(done.stdout)["calls"] if as_json else done.stdout.partition(" calls,")[0]

    assert 0 == done.returncode
    assert (500 if as_json else "about 500") == calls
    assert 10 == len(server.asked)
    assert not (tmp_path / "results").exists()


def test_server_fails(tmp_path: Path) -> None:
    """A server that answers nothing ends the run with exit code 1, one message, and a journal."""
    with fake_server(lambda _: (500, "out of memory")) as server:
        done = call(tmp_path, python_task(tmp_path, server, "--json", "--patience", "0"))
    (run,) = list_runs(tmp_path / "results")

    assert (1, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    assert "out of memory" in done.stderr
    # Rows say nothing of themselves while nothing at all is answered.
    assert {} == run.history().evaluations("c0")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl_c", "kill"])
def test_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    """Interrupted in the middle, a run ends with exit code 130 and keeps what was answered."""

    def slowly(body: dict[str, Any]) -> tuple[int, str]:
        time.sleep(0.3)
        return even(body)

    with fake_server(slowly) as server:
        line = python_task(tmp_path, server, "--calls", "100000")
        process = subprocess.Popen(line, cwd=tmp_path, stdout=-1, stderr=-1, text=True)
        while not list(tmp_path.glob("results/*/best.json")) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(number)
        out, told = process.communicate(timeout=60)
    (run,) = list_runs(tmp_path / "results")

    assert (130, "") == (process.returncode, out), told
    assert "Traceback" not in told, told
    assert told.splitlines()[-1].startswith("apo: interrupted; ")
    assert run.history().scores("c0")
    assert "running" == json.loads(run.best.read_text(encoding="utf-8"))["status"]
    assert not run.is_live()
