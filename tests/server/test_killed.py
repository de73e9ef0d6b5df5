"""Runs that are killed, and servers that are, with a real vLLM: nothing paid for is asked again or lost."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from random import Random

import httpx2
import pytest

from apo.events import Record
from apo.history import History
from apo.serving.server import Server
from apo.store.journal import read_records
from apo.store.runs import RunFolder
from tests.server.test_lifetime import group_of
from tests.server.test_run import APO, apo

OPTIONS = ["--dev", "30", "--test", "30", "--calls", "300", "--eager", "--no-cache"]
KILLS = 6
AHEAD = 64
"""Most requests that a run may have asked ahead and never want."""


def begin(*arguments: str) -> "subprocess.Popen[bytes]":
    """A command of apo in the background."""
    return subprocess.Popen([APO, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def succeeded(server: Server) -> int:
    """How many requests the server has answered, as it counts them itself."""
    headers = {"Authorization": f"Bearer {server.api_key}"}
    text = httpx2.get(server.base_url.removesuffix("/v1") + "/metrics", headers=headers, timeout=20).text
    lines = [line for line in text.splitlines() if line.startswith("vllm:request_success_total")]
    return round(sum(float(line.rpartition(" ")[2]) for line in lines))


def settled(server: Server) -> int:
    """The same, once nothing is under way any more."""
    before, now = -1, succeeded(server)
    while before != now:
        time.sleep(1)
        before, now = now, succeeded(server)
    return now


def held(folder: RunFolder) -> int:
    """Evaluations that the journal holds."""
    return folder.history().total.calls if folder.journal.exists() else 0


def killed_at(process: "subprocess.Popen[bytes]", folder: RunFolder, calls: int) -> None:
    """Kill a run without letting it tidy up, once its journal holds that many calls."""
    deadline = time.monotonic() + 120
    while process.poll() is None and held(folder) < calls and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


def every_row(history: History) -> int:
    """Different rows that candidates met, dev and sealed test together."""
    return sum(len(history.evaluations(c)) + len(history.test_evaluations(c)) for c in history.candidates)


@pytest.fixture(scope="module")
def survived(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, int, int]:
    """A run that was killed again and again; what the server answered, and what of it no journal holds."""
    results = tmp_path_factory.mktemp("killed")
    folder = RunFolder(results / "run")
    # Well before the end: the last sealed rows come quicker than a journal is read.
    moments = sorted(Random(7).sample(range(1, 220), KILLS))
    before = asked = settled(server)
    kept = lost = 0
    line = ["run", "tickets", *OPTIONS, "--results", str(results), "--name", "run"]
    for moment in moments:
        killed_at(begin(*line), folder, moment)
        assert folder.history().finished is None, f"the run ended before it held {moment} calls"
        line = ["resume", str(folder.path)]
        # What was answered but not yet written is all that a kill may cost.
        now, written = settled(server), held(folder)
        lost += now - asked - (written - kept)
        asked, kept = now, written
    done = apo(*line)
    assert done.returncode == 0, done.stderr
    answered = settled(server)
    unwanted = answered - asked - (held(folder) - kept)
    assert 0 <= unwanted <= AHEAD
    return folder, answered - before, lost + unwanted


def test_kills_cost_only_what_was_not_written(survived: tuple[RunFolder, int, int]) -> None:
    """The server answered what the journal holds, what each kill tore off and wrong guesses, and no more."""
    folder, answered, lost = survived
    history = folder.history()

    assert answered == history.total.calls + lost
    assert every_row(history) == history.total.calls - history.spend["proposal"].calls


def test_killed_run_ends_like_another(survived: tuple[RunFolder, int, int]) -> None:
    """The run is finished: every candidate that won through has met all rows, seed and winner the test."""
    history = survived[0].history()
    assert history.finished is not None

    assert history.is_full(history.finished.best)
    assert {30} == {len(history.test_evaluations(c)) for c in {"c0", history.finished.best}}
    assert history.total.calls <= 300
    assert all(step.finished for step in history.steps)
    assert not [e for c in history.candidates for e in history.evaluations(c).values() if e.failure]


def test_server_killed_in_the_middle(tmp_path: Path) -> None:
    """The model server dies in the middle: it is started again, and no row is lost or scored as wrong."""
    folder = RunFolder(tmp_path / "run")
    # A context of its own makes it another server than the one that the other tests share.
    options = [*OPTIONS, "--calls", "200", "--context", "1024", "--engine", "server"]
    options += ["--results", str(tmp_path), "--name", "run"]
    process = begin("run", "tickets", *options)
    deadline = time.monotonic() + 300
    while held(folder) < 60 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    # The link leads into the server's own folder.
    home = folder.engine_log.resolve().parent
    address = json.loads((home / "state.json").read_text(encoding="utf-8"))["base_url"]
    os.killpg(group_of(address), signal.SIGKILL)
    code = process.wait(timeout=400)
    history = folder.history()
    kinds = [type(record.event).__name__ for record in records(folder)]

    assert code == 0
    assert kinds.count("ServerLost") == kinds.count("ServerBack") == 1
    assert history.finished is not None
    assert not [e for c in history.candidates for e in history.evaluations(c).values() if e.failure]
    assert every_row(history) == history.total.calls - history.spend["proposal"].calls


def test_batch_killed_twice(server: Server, tmp_path: Path) -> None:
    """A batch that is killed twice and given again ends with all of its runs in the summary."""
    file = tmp_path / "three.yaml"
    tasks = "[tickets, sentiment, {data: balls.csv, input: text, target: label}]"
    common = "{calls: 130, dev: 20, test: 20, eager: true}"
    file.write_text(f"tasks: {tasks}\nseeds: [0, 1]\ncommon: {common}\nparallel: 2\n")
    rows = "\n".join(f"ball {n:03d} is it?,{('red', 'blue')[n % 2]}" for n in range(60))
    (tmp_path / "balls.csv").write_text(f"text,label\n{rows}\n")
    line = ["batch", str(file), "--results", str(tmp_path / "results")]
    home = tmp_path / "results" / "three"
    for calls in (40, 300):
        process = begin(*line)
        while process.poll() is None and sum(held(RunFolder(p.parent)) for p in home.glob("*/lock")) < calls:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = apo(*line)
    summary = json.loads((home / "summary.json").read_text(encoding="utf-8"))

    assert done.returncode == 0, done.stderr
    assert ["finished"] * 6 == [run["state"] for run in summary["runs"]]
    assert [("all", 6)] == [(g["task"], g["runs"]) for g in summary["groups"] if g["task"] == "all"]
    assert all(run["test"]["n"] == 20 and run["calls"] <= 130 for run in summary["runs"])


def records(folder: RunFolder) -> list[Record]:
    """The journal's records."""
    return list(read_records(folder.journal))
