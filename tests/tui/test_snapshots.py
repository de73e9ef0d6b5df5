"""Pictures of every state at both sizes, as Textual 8.2.8 draws them."""

from collections.abc import Callable

import pytest
import textual

from tests.tui.staging import DIALOGS, SIZES, STATES, Staged, half, staged

pytestmark = pytest.mark.skipif(textual.__version__ != "8.2.8", reason="drawn by Textual 8.2.8")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", STATES)
def test_state(snap_compare: Callable[..., bool], state: str, size: str) -> None:
    """Each state of a run."""
    assert snap_compare(staged(state), terminal_size=SIZES[size])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dialog", DIALOGS)
def test_dialog(snap_compare: Callable[..., bool], dialog: str, size: str) -> None:
    """Each dialog and view."""
    assert snap_compare(staged("running"), press=DIALOGS[dialog].split(","), terminal_size=SIZES[size])


def test_light(snap_compare: Callable[..., bool]) -> None:
    """The light theme."""
    assert snap_compare(Staged(half(), light=True), terminal_size=SIZES["wide"])


def test_too_small(snap_compare: Callable[..., bool]) -> None:
    """One line instead of a broken layout."""
    assert snap_compare(staged("running"), terminal_size=(40, 10))
