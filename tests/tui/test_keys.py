"""Every key in every state: it works, or it is greyed, or it is hidden; and what it does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, TextArea

from apo import commands
from apo.budget import Budget
from apo.history import History
from apo.store.inbox import Inbox
from apo.store.runs import RunFolder
from tests.tui.staging import STATES, Staged, staged
from tui.board_table import BoardTable
from tui.detail import Detail
from tui.dialogs import BudgetDialog, Choice, Reader
from tui.editor import Editor
from tui.logs import EngineLog
from tui.run_screen import RunScreen

GREY, HIDDEN, WORKS = None, False, True
EMPTY = ("starting", "begun", "unbegun")
STEERING: dict[str, dict[str, bool | None]] = {
    "pause": {"starting": GREY, "begun": GREY, "paused": HIDDEN, "stopped": HIDDEN, "unbegun": HIDDEN},
    "go_on": {s: HIDDEN for s in STATES if s != "paused"},
    "stop": {"stopped": GREY, "unbegun": GREY},
    "promote": {s: GREY for s in STATES if s != "failing"},
    "add": {},
    "edit": dict.fromkeys(EMPTY, GREY),
    "ban": dict.fromkeys((*EMPTY, "failing", "hostile"), GREY),
    "budget": {},
    "resume": {s: HIDDEN for s in STATES if s not in ("stopped", "unbegun")},
}
"""What an action is in the states where it does not work. The cursor is on the leader, which is full but in
one state, so that it cannot be promoted; in two states it is the seed, which cannot be banned."""
KEYS = {"pause": "space", "go_on": "space", "stop": "x", "promote": "P", "add": "a"}
KEYS |= {"edit": "e", "ban": "B", "budget": "b", "resume": "r"}
VIEWING = ("s", "slash", "escape", "enter", "d", "D", "o", "w", "c", "l", *"12345", "question_mark")


def expected(action: str, state: str) -> bool | None:
    """Whether an action works in a state."""
    return HIDDEN if state in ("finished", "gone") else STEERING[action].get(state, WORKS)


def sent(folder: RunFolder) -> list[Any]:
    """The commands in a run's inbox."""
    return [one.command for one in Inbox(folder.inbox).new()]


def history(state: str) -> History:
    """What a run in a state is known to be."""
    return History(STATES[state]()[0])


def leader(state: str) -> str:
    """The candidate under the cursor when a run's screen opens."""
    leading = history(state).leading()
    assert leading is not None
    return leading.id


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """An empty folder for a run."""
    return RunFolder(tmp_path)


@pytest.mark.parametrize("state", STATES)
async def test_steering_keys(state: str, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that works sends a command or asks; a greyed or hidden one does nothing at all."""
    launched: list[RunFolder] = []
    monkeypatch.setattr("tui.steering_keys.launch", launched.append)
    app = staged(state, folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        for action in KEYS:
            assert expected(action, state) is app.run_screen.check_action(action, ()), action
        for key in dict.fromkeys(KEYS.values()):
            works = any(expected(a, state) is WORKS for a, k in KEYS.items() if k == key)
            if works and state not in ("running", "paused", "stopped"):
                continue  # what a key does where it works is the same everywhere
            await pilot.press(key)
            asked = not isinstance(app.screen, RunScreen)
            acted = asked or bool(sent(folder)) or bool(launched)
            assert acted is works, key
            if asked:
                await pilot.press("escape")
            folder.inbox.unlink(missing_ok=True)


@pytest.mark.parametrize("state", ["starting", "running", "finished"])
async def test_viewing_keys(state: str, folder: RunFolder) -> None:
    """Keys that only look never fail, whatever there is to be seen, and never send anything."""
    app = staged(state, folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        for key in VIEWING:
            await pilot.press(key)
            assert app.is_running
            if not isinstance(app.screen, RunScreen):
                await pilot.press("escape")
        assert isinstance(app.screen, RunScreen)
    assert [] == sent(folder)


@pytest.mark.parametrize("state", ["starting", "running", "stopped", "finished", "gone"])
async def test_quit(state: str, folder: RunFolder) -> None:
    """Quitting leaves in every state, and never stops the run."""
    app = staged(state, folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("q")
        assert not app.is_running
        assert app.return_value is not None
    assert [] == sent(folder)


async def running(folder: RunFolder, act: Callable[[Pilot[Any], Staged], Any]) -> list[Any]:
    """The commands that some keys send to a running search."""
    app = staged("running", folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await act(pilot, app)
        await pilot.pause()
    return sent(folder)


async def choose(pilot: Pilot[Any], app: Staged, answer: str) -> None:
    """Press a button of a question."""
    assert isinstance(app.screen, Choice)
    app.screen.query_one(f"#{answer}", Button).press()
    await pilot.pause()


@pytest.mark.parametrize(("answer", "now"), [("finish", False), ("interrupt", True)])
async def test_stop(folder: RunFolder, answer: str, now: bool) -> None:
    """Stop asks how."""

    async def act(pilot: Pilot[Any], app: Staged) -> None:
        await pilot.press("x")
        await choose(pilot, app, answer)

    assert [commands.Stop(now=now)] == await running(folder, act)


async def test_harmless_answer_has_the_focus(folder: RunFolder) -> None:
    """Enter after x does not stop anything."""

    async def act(pilot: Pilot[Any], _app: Staged) -> None:
        await pilot.press("x", "enter")

    assert [] == await running(folder, act)


async def test_pause_and_go_on(folder: RunFolder) -> None:
    """The same key pauses and goes on."""
    app = staged("paused", folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("space")
    assert [commands.Resume()] == sent(folder)


async def test_promote_and_ban(folder: RunFolder) -> None:
    """They act on the candidate under the cursor; one that was dropped can be promoted."""
    one = next(iter(history("running").pruned))

    async def act(pilot: Pilot[Any], app: Staged) -> None:
        table = app.run_screen.query_one(BoardTable)
        table.choose(one)
        await pilot.pause()
        await pilot.press("P", "B")
        await choose(pilot, app, "ban")

    assert [commands.Promote(candidate=one), commands.Ban(candidate=one)] == await running(folder, act)


async def test_edit_makes_a_child(folder: RunFolder) -> None:
    """What is edited is sent as a new candidate that names its parent."""

    async def act(pilot: Pilot[Any], app: Staged) -> None:
        await pilot.press("e")
        assert isinstance(app.screen, Editor)
        app.screen.query_one("#instruction", TextArea).text = "Say the colour."
        await pilot.press("ctrl+s")

    (add,) = await running(folder, act)
    shown = len(add.prompt.exemplars)
    assert ("Say the colour.", leader("running"), 12) == (add.prompt.instruction, add.parent, shown)


async def test_editor_names_the_broken_line(folder: RunFolder) -> None:
    """Exemplars that are no JSON are not sent."""

    async def act(pilot: Pilot[Any], app: Staged) -> None:
        await pilot.press("a")
        app.screen.query_one("#exemplars", TextArea).text = '{"input":"a","output":"b"}\nnonsense'
        await pilot.press("ctrl+s")
        assert isinstance(app.screen, Editor)

    assert [] == await running(folder, act)


async def test_budget(folder: RunFolder) -> None:
    """New limits replace the old ones; a budget that is spent already is refused."""

    async def act(pilot: Pilot[Any], app: Staged) -> None:
        for calls in ("10", "900"):
            await pilot.press("b")
            assert isinstance(app.screen, BudgetDialog)
            app.screen.query_one("#calls", Input).value = calls
            await pilot.press("enter")

    assert [commands.SetBudget(budget=Budget(calls=900))] == await running(folder, act)


async def test_export_and_copy(folder: RunFolder) -> None:
    """Files beside the journal, and the prompt in the clipboard."""
    app = staged("finished", folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("w", "c")
        assert app.clipboard.startswith("[system]\nName the colour.")
    best = leader("finished")
    exported = msgspec.json.decode((folder.path / f"{best}.json").read_bytes())
    assert (best, "finished") == (exported["candidate"], exported["status"])
    lines = (folder.path / "board.csv").read_text().splitlines()
    assert 1 + len(history("finished").candidates) == len(lines)
    assert "{{input}}" in (folder.path / f"{best}.txt").read_text()
    assert not [p for p in folder.path.iterdir() if p.stat().st_mode & 0o077]


async def test_views(folder: RunFolder) -> None:
    """Sorting, filter, tabs, the engine's log and help are one key away."""
    app = staged("running", folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        screen = app.run_screen
        table, detail = screen.query_one(BoardTable), screen.query_one(Detail)
        await pilot.press("s")
        assert "mean" == screen.by
        await pilot.press("slash", *"c12", "enter")
        assert ["c12"] == table.ids
        await pilot.press("escape", "g")
        assert len(history("running").candidates) == len(table.ids)
        await pilot.press("D")
        assert ("diff", leader("running")) == (detail.tab, detail.against)
        await pilot.press("escape", "o")
        assert not detail.folded
        await pilot.press("3")
        await pilot.pause()
        await pilot.press("enter")
        assert isinstance(app.screen, Reader)
        await pilot.press("escape", "l")
        assert isinstance(app.screen, EngineLog)
        await pilot.press("escape", "question_mark")
        assert isinstance(app.screen, Reader)
        await pilot.press("escape", "t")
        assert "apo-light" == app.theme
