"""A prompt that shows the nearest of a pool, as people see and edit it."""

from rich.style import Style
from textual.app import App

from apo.candidate import Candidate
from apo.prompt import Exemplar, Prompt
from tui.candidate_text import prompt_text
from tui.diff import prompt_diff
from tui.editor import Editor
from tui.exporting import as_text

POOL = tuple(Exemplar(f"input {number}", f"output {number}") for number in range(50))
PROMPT = Prompt("Say it.", POOL, nearest=5)
NOTE = "Of these 50 exemplars each input is shown the 5 nearest by sentence embedding, the nearest last."


def test_prompt() -> None:
    """Folded or not, and in the file for people, what happens to the pool is said before it."""
    for folded in (True, False):
        text = prompt_text(Candidate("c1", PROMPT), folded).plain
        assert text.startswith(NOTE)
        assert "output 49" in text
    assert as_text(PROMPT).startswith(NOTE)
    assert NOTE not in as_text(Prompt("Say it.", POOL))


def test_diff() -> None:
    """Another number is a change, though the exemplars are the same."""
    text = prompt_diff(Prompt("Say it.", POOL), PROMPT, Style(), Style()).plain

    assert "Exemplars: 50 kept, 0 removed, 0 added" in text
    assert "Shown: 50 before, 5 nearest of 50 now" in text


async def test_edited() -> None:
    """Who edits a prompt with a pool gets one with a pool."""
    saved: list[Prompt | None] = []
    app: App[None] = App()
    async with app.run_test() as pilot:
        app.push_screen(Editor("Edit", PROMPT), saved.append)
        await pilot.pause()
        await pilot.press("ctrl+s")

    assert [PROMPT] == saved
