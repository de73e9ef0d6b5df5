"""Pictures of every state at both sizes, as Textual 8.2.8 draws them."""

from collections.abc import Awaitable, Callable

import pytest
import textual
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from tests.tui.staging import DIALOGS, SIZES, STATES, Staged, half, staged

pytestmark = pytest.mark.skipif(textual.__version__ != "8.2.8", reason="drawn by Textual 8.2.8")

LOOKS = 500
"""Of 30 ms each, at most, until a screen stands still."""


def opened(keys: str = "") -> Callable[[Pilot[object]], Awaitable[None]]:
    """Press the keys and wait until nothing moves: a slow machine would take the picture half drawn."""

    async def press(pilot: Pilot[object]) -> None:
        await pilot.press(*filter(None, keys.split(",")))
        await pilot.pause()
        still(pilot.app)
        before, same = "", 0
        for _ in range(LOOKS):
            if same == 3:
                return
            await pilot.pause(0.03)
            now = pilot.app.export_screenshot()
            before, same = now, same + 1 if now == before else 0
        raise AssertionError("the screen never stands still")

    return press


def still(app: App[object]) -> None:
    """Let no cursor blink, nor the dark half of a blink be kept."""
    for field in app.screen.query(Input):
        field.cursor_blink = False
    for area in app.screen.query(TextArea):
        area.cursor_blink = False
        area.notify_style_update()  # forgets the lines that it keeps
        area.refresh()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", STATES)
def test_state(snap_compare: Callable[..., bool], state: str, size: str) -> None:
    """Each state of a run."""
    assert snap_compare(staged(state), run_before=opened(), terminal_size=SIZES[size])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dialog", DIALOGS)
def test_dialog(snap_compare: Callable[..., bool], dialog: str, size: str) -> None:
    """Each dialog and view."""
    assert snap_compare(staged("running"), run_before=opened(DIALOGS[dialog]), terminal_size=SIZES[size])


def test_light(snap_compare: Callable[..., bool]) -> None:
    """The light theme."""
    assert snap_compare(Staged(half(), light=True), terminal_size=SIZES["wide"])


def test_too_small(snap_compare: Callable[..., bool]) -> None:
    """One line instead of a broken layout."""
    assert snap_compare(staged("running"), terminal_size=(40, 10))
