"""The application: its themes, and which screen is in front."""

import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

from apo.history import History
from apo.store.runs import RunFolder
from tui.format import line
from tui.theme import DARK, LIGHT


class Apo(App[History | None]):
    """Shows one run, and returns its history as far as it was read; or the runs of a folder."""

    CSS_PATH = Path(__file__).with_name("app.tcss")
    TITLE = "apo"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("t", "theme", "Theme", show=False)]

    def __init__(
        self,
        folder: RunFolder | None,
        child: Popen[bytes] | None = None,
        light: bool = False,
        clock: Callable[[], float] = time.time,
        results: Path = Path("results"),
    ) -> None:
        """`folder`: the run to show, None for all of `results`.

        `child`: the run's process, if it was started just now; `clock`: seconds since the epoch.
        """
        super().__init__()
        self.results = results
        self.folder, self.child, self.clock, self.light = folder, child, clock, light

    def first(self) -> Screen[History | None]:
        """The screen that is shown first."""
        if self.folder is None:
            from tui.runs_screen import RunsScreen

            return RunsScreen(self.results, self.clock)
        from tui.run_screen import RunScreen

        return RunScreen(self.folder, self.child, self.clock)

    def compose(self) -> ComposeResult:
        """What is drawn before anything else is imported."""
        name = self.folder.name if self.folder is not None else str(self.results)
        yield Static(Text(f" apo · {line(name, 80)} · opening…"), id="title", markup=False)

    def on_mount(self) -> None:
        """The theme; the first screen comes once something is drawn."""
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = LIGHT.name if self.light else DARK.name
        self.call_after_refresh(self.open_first)

    def open_first(self) -> None:
        """Show the first screen; the application ends with it."""
        self.push_screen(self.first(), self.exit)

    def action_theme(self) -> None:
        """The other theme."""
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name
