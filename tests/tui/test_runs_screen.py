"""The runs of a folder, and the form that begins a new one."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from textual.widgets import Input, Select, Static

from apo.budget import Budget
from apo.errors import ApoError
from apo.options import RunOptions
from apo.store.runs import RunFolder, list_runs
from tests.test_cli import FILES
from tests.tui.staging import fill, text_of
from tests.tui.test_run_screen import until
from tui.app import Apo
from tui.new_run import NewRun
from tui.run_screen import RunScreen
from tui.runs_screen import RunsScreen, RunsTable
from tui.starting import arguments, options
from tui.summary import summaries


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with a finished run, a stopped one, one that never began, and a broken one."""
    fill(tmp_path)
    return tmp_path


def test_summaries(results: Path) -> None:
    """Each run is told from its small files."""
    found = {one.folder.name: (one.state, one.calls, one.dev) for one in summaries(results)}

    assert {"done", "cut", "unbegun", "broken"} == set(found)
    assert ("finished", "888", "1.000") == found["done"]
    assert ("stopped", "678") == found["cut"][:2]
    assert ("stopped", "", "") == found["unbegun"]
    assert "unreadable" == found["broken"][0]


def test_running(results: Path) -> None:
    """A run whose lock is held is running."""
    with RunFolder(results / "cut").locked():
        assert "running" == next(s.state for s in summaries(results) if s.folder.name == "cut")


async def test_opens_a_run_and_comes_back(results: Path) -> None:
    """Enter opens the run under the cursor; q comes back to the list, and then leaves."""
    app = Apo(None, results=results)
    app.animation_level = "none"
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        table = app.screen.query_one(RunsTable)
        await until(pilot, lambda: table.row_count == 5)
        table.move_cursor(row=table.get_row_index("done"))
        await pilot.press("enter")
        await until(pilot, lambda: "FINISHED" in text_of(app))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("question_mark", "escape", "q")
        await until(pilot, lambda: not app.is_running)


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[RunFolder]]:
    """Runs are begun by a process that does nothing; lists their folders."""
    begun: list[RunFolder] = []
    processes: list[Popen[bytes]] = []

    def launch(folder: RunFolder) -> Popen[bytes]:
        begun.append(folder)
        processes.append(subprocess.Popen(["sleep", "60"]))
        return processes[-1]

    monkeypatch.setattr("tui.starting.launch", launch)
    yield begun
    for process in processes:
        process.kill()
        process.wait()


async def test_enter_enter(tmp_path: Path, asleep: list[RunFolder]) -> None:
    """Enter on the first line, Enter on the button: a run of the first task begins and is shown."""
    app = Apo(None, results=tmp_path / "results")
    app.animation_level = "none"
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, NewRun))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await until(pilot, lambda: "STARTING" in text_of(app))
        await pilot.press("q")
        await until(pilot, lambda: "in the background" in text_of(app))
        await pilot.click("#leave")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
    (folder,) = asleep
    assert ("tickets", Budget(calls=2000)) == (folder.spec().task.name, folder.spec().budget)


async def test_form(tmp_path: Path, asleep: list[RunFolder]) -> None:
    """Fields say what runs; what does not fit is told, and nothing begins."""
    (tmp_path / "parity.py").write_text(str(FILES["parity.py"]), encoding="utf-8")
    app = Apo(None, results=tmp_path / "results")
    app.animation_level = "none"
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewRun))
        form = app.screen
        await until(pilot, lambda: "take 340 calls" in str(form.query_one("#outlook", Static).content))
        for field, value, told in (
            ("calls", "9", "9 calls are too few"),
            ("calls", "many", "calls must be a number"),
            ("proposer", "nobody", "There is no proposer 'nobody'"),
            ("data", "/no/such[/file].csv", "/no/such[/file].csv"),
        ):
            known = form.query_one(f"#{field}", Input).value
            form.query_one(f"#{field}", Input).value = value
            await pilot.press("ctrl+s")
            await until(pilot, lambda: told in str(form.query_one("#problem", Static).content))  # noqa: B023
            form.query_one(f"#{field}", Input).value = known
        form.query_one("#eager", Select).value = "yes"
        form.query_one("#minutes", Input).value = "2.5"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
    (folder,) = asleep
    assert [folder] == list_runs(tmp_path / "results")
    assert (True, 150.0) == (folder.spec().model.eager, folder.spec().budget.seconds)


@pytest.mark.parametrize(
    ("written", "field"),
    [({"calls": "-1"}, "calls"), ({"minutes": "x"}, "minutes"), ({"selector": "a,b"}, "selector")],
)
def test_options_refused(written: dict[str, str], field: str) -> None:
    """A field that does not fit is named."""
    with pytest.raises(ApoError, match=field):
        options({"task": "tickets", **written})


def test_options_and_arguments() -> None:
    """A form's fields become options, and those become arguments of the command line."""
    written = {
        "task": "tickets",
        "proposer": "opro, induction",
        "selector": "none",
        "calls": "1,000",
        "url": "",
    }
    chosen = options(written, eager=True)
    expected: dict[str, Any] = {"task": "tickets", "proposer": ("opro", "induction"), "selector": ("none",)}

    assert RunOptions(**expected, calls=1000, eager=True) == chosen
    assert arguments(chosen) == [
        *("tickets", "--proposer", "opro", "--proposer", "induction", "--selector", "none"),
        *("--calls", "1000", "--eager"),
    ]
