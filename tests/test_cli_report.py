"""`apo report` on the command line: where it writes, what it says, and its mistakes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from apo.events import Record, RunStarted, to_json
from apo.spec import TaskSource
from apo.store.runs import RunFolder, create
from tests.helpers import toy_spec
from tests.reported import TASK, sealed, worked

ROOT = str(Path(__file__).resolve().parents[1])
TOY = """
from apo.task import Task
from tests.helpers import toy_task

def load() -> Task:
    return toy_task()
"""


def reported(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a folder whose results hold the runs."""
    command = [sys.executable, "-m", "apo", "report", *arguments]
    where = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.run(
        command, cwd=folder, env=where, capture_output=True, text=True, timeout=180, check=False
    )


def run_of(folder: Path, records: tuple[Record, ...], task: str = "toy") -> RunFolder:
    """A run's folder with this journal."""
    spec = toy_spec(task=TaskSource(task))
    made = create(folder / "results", "toy", spec)
    first = records[0].event
    assert isinstance(first, RunStarted)
    begun = RunStarted(spec=spec, task=first.task, dev=first.dev, server=first.server)
    lines = [Record(0, records[0].t, begun), *records[1:]]
    made.journal.write_bytes(b"".join(to_json(line) + b"\n" for line in lines))
    return made


def test_writes_into_the_run(tmp_path: Path) -> None:
    """Without options the newest run's report lies in its own folder."""
    made = run_of(tmp_path, worked())
    done = reported(tmp_path)

    assert (0, "") == (done.returncode, done.stderr)
    assert f"Report: results/{made.name}/report/report.html" == done.stdout.splitlines()[0]
    assert "Plots beside it: best-score.png, gains.png" in done.stdout
    assert (made.path / "report" / "best-score.png").is_file()
    assert ", stopped." in (made.path / "report" / "report.html").read_text(encoding="utf-8")


def test_elsewhere_with_the_sealed_rows(tmp_path: Path) -> None:
    """With the task at hand the sealed rows are shown; a run may be named by its folder."""
    (tmp_path / "toy.py").write_text(TOY)
    made = run_of(tmp_path, sealed(), "toy.py")
    done = reported(tmp_path, str(made.path), "--output", "here/it/is")
    text = (tmp_path / "here" / "it" / "is" / "report.html").read_text(encoding="utf-8")

    assert (0, "") == (done.returncode, done.stderr)
    assert TASK.test[0].input in text
    assert not (made.path / "report").exists()


@pytest.mark.parametrize("content", ["", TOY.replace("toy_task()", "toy_task(90)")], ids=["gone", "changed"])
def test_task_is_another(tmp_path: Path, content: str) -> None:
    """Rows of a task that cannot be read, or that is not the same any more, are not shown for the run's."""
    (tmp_path / "toy.py").write_text(content)
    made = run_of(tmp_path, sealed(), "toy.py")
    done = reported(tmp_path, made.name)
    text = (made.path / "report" / "report.html").read_text(encoding="utf-8")

    assert (0, "") == (done.returncode, done.stderr)
    assert "Their texts are not in the journal" in text


def test_mistakes(tmp_path: Path) -> None:
    """An unknown run, one that has not begun, and a folder that cannot be: one line, exit code 2, no file."""
    (tmp_path / "file").write_text("")
    unbegun = create(tmp_path / "results", "later", toy_spec())
    made = run_of(tmp_path, worked())
    for arguments, said in (
        (["nope"], "There is no run in 'results' named 'nope'."),
        ([unbegun.name], f"The run {unbegun.name} has not begun, so there is nothing to report."),
        ([made.name, "--output", "file"], "The folder 'file' cannot be made: File exists."),
    ):
        done = reported(tmp_path, *arguments)

        assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
        assert said in done.stderr
    assert not list(tmp_path.rglob("*.html"))
