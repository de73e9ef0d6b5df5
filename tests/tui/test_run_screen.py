"""The run screen: it follows a folder, keeps the cursor on its candidate, and shows what is printed too."""

import asyncio
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Static

from apo import events, tables, words
from apo.candidate import Candidate
from apo.events import to_json
from apo.history import History
from apo.prompt import Prompt
from apo.store.runs import RunFolder
from tests.helpers import evaluation, toy_task
from tests.tui.staging import HOSTILE, LIVE, SIZES, Staged, after, half, hostile, staged, text_of, whole
from tui.app import Apo
from tui.board_table import BoardTable
from tui.run_screen import RunScreen
from tui.shown import shown

PLACES = ("★", "×", "·", "–", *map(str, range(99)))
"""How a row of a printed board begins."""


def cells(table: BoardTable) -> dict[str, list[str]]:
    """What each candidate's row shows."""
    return {one: [cell.strip() for cell in table._shown.line(one).cells] for one in table.ids}


async def test_cursor_stays_on_its_candidate() -> None:
    """Whatever happens to the order, the cursor is where the person left it."""
    app = staged("running")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        table = app.run_screen.query_one(BoardTable)
        await pilot.press("j", "j", "j", "j", "j")
        chosen, rng, records = table.chosen, random.Random(0), half()
        waiting = [c for c in app.run_screen.history.candidates if not app.run_screen.history.evaluations(c)]
        seen = set()
        for _ in range(20):
            row = toy_task(120).dev[rng.randrange(40)].id
            scored = evaluation(rng.choice(waiting), row, float(rng.random() < 0.8))
            records = after(records, events.EvaluationsFinished(evaluations=(scored,)))
            app.feed(records[-1:])
            seen.add(table.place)
            assert chosen == table.chosen
            app.run_screen.action_sort()
            assert chosen == table.chosen
        await pilot.pause()
        assert chosen == table.chosen
        assert len(seen) > 1


async def test_same_numbers_as_printed(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """The board on the screen and the one that `apo show` prints agree, cell by cell."""
    app = staged("finished")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        on_screen = cells(app.run_screen.query_one(BoardTable))
        lines = list(app.run_screen.watched.lines)
    monkeypatch.setenv("COLUMNS", "200")
    history = History(whole())
    tables.leaderboard(history, most=1000)
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    for id_, row in on_screen.items():
        (line,) = [found for found in printed if id_ in found[:3] and found[0] in PLACES]
        shared = [cell for column, cell in enumerate(row) if column != 7 and cell]
        assert [cell for cell in shared if cell not in line] == [], id_
    folded = History()
    headless = []
    for record in whole():
        folded.apply(record)
        said = words.event(folded, record)
        headless += [said.strip()] if said else []
    assert headless == [line.split(" ", 1)[1] for line in lines]


async def test_follows_a_folder(tmp_path: Path) -> None:
    """A screen on a folder shows what is there and what comes, and survives its deletion."""
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    lines = [to_json(record) + b"\n" for record in whole()]
    folder.journal.write_bytes(b"".join(lines[:20]) + lines[20][:9])
    app = Apo(folder)
    app.animation_level = "none"
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        screen = app.screen
        assert isinstance(screen, RunScreen)
        await until(pilot, lambda: screen.history.length == 20)
        with folder.journal.open("ab") as file:
            file.write(lines[20][9:] + b"".join(lines[21:]))
        await until(pilot, lambda: screen.history.finished is not None)
        await until(pilot, lambda: "FINISHED" in text_of(app))
        shutil.rmtree(folder.path)
        await until(pilot, lambda: screen.watched.state == "gone")
        assert screen.history.candidates
        await pilot.press("q")


async def until(pilot: Any, there: Any) -> None:
    """Wait at most half a minute for something."""
    for _ in range(600):
        if there():
            await pilot.pause()
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")


async def settled(pilot: Any, app: Apo) -> str:
    """What is on the screen once it changes no more."""
    before = ""
    while not (now := text_of(app)).strip() or now != before:
        before = now
        await pilot.pause(0.3)
    return now


async def test_resize() -> None:
    """Down to 20 by 5 and back, the screen is what it was."""
    app = staged("running")
    async with app.run_test(size=(120, 40)) as pilot:
        before = await settled(pilot, app)
        await pilot.resize_terminal(20, 5)
        assert "apo needs" in await settled(pilot, app)
        await pilot.press("s", "s", "s", "s", "x", "escape")
        await pilot.resize_terminal(120, 40)
        assert before == await settled(pilot, app)


@pytest.mark.parametrize("size", SIZES)
async def test_hostile_text(size: str) -> None:
    """No text of a model or of data steers the terminal, or is taken for markup, wherever it is shown."""
    app = Staged(hostile(), LIVE)
    async with app.run_test(size=SIZES[size]) as pilot:
        await pilot.pause()
        for keys in ("2", "o", "d", "3", "enter", "escape", "1", "5", "e", "escape"):
            await pilot.press(keys)
            await pilot.pause()
            shown_now = text_of(app)
            assert not [c for c in shown_now if not c.isprintable() and c != "\n"], keys
        await pilot.press("o")
        text = app.run_screen.query_one("#prompt-text", Static).content
        assert "[/foo] in list[int]" in str(text)
    assert "\x1b" in HOSTILE


async def test_many_candidates() -> None:
    """Beyond two hundred rows the rest is counted, until a filter finds it."""
    many = tuple(
        Candidate(f"c{n}", Prompt(f"Version {n}."), ("c0",), "opro", "instruction") for n in range(900, 1400)
    )
    step = events.StepStarted(step=9, side="instruction", component="opro")
    records = after(whole()[:-2], step, events.CandidatesProposed(step=9, candidates=many))
    app = Staged(records)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        table = app.run_screen.query_one(BoardTable)
        assert 200 == len(table.ids)
        assert "more" in str(table.border_subtitle)
        found = shown(app.run_screen.watched, "newest", "version 1399.")
        assert ("c1399",) == found.ids


async def test_own_commands_are_acknowledged(tmp_path: Path) -> None:
    """What this screen sent is followed through the journal; silence is told after a minute."""
    app = staged("running", RunFolder(tmp_path))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("space")
        screen = app.run_screen
        (sent,) = screen.own
        now = app.clock()
        assert "" == screen.late(now + 59)
        assert "has not answered to: pause" in screen.late(now + 61)
        from apo.store.inbox import Inbox

        (line,) = Inbox(tmp_path / "inbox.jsonl").new()
        taken = (events.CommandReceived(sent=line), events.CommandApplied(id=sent), events.RunPaused())
        app.feed(after(half(), *taken)[-3:])
        assert "" == screen.late(now + 61)
        assert "paused" == screen.watched.state


async def test_event_that_does_not_fit() -> None:
    """A journal whose events make no sense together is told, not a crash."""
    app = Staged(after((), events.StepFinished(step=3, gain=0.0, calls=1)))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "does not fit" in app.run_screen.watched.trouble
        assert "does not fit" in text_of(app)
