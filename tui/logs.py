"""The event log of a run, and its engine's log."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer, RichLog, Static

from apo.words import printable

TAIL_BYTES = 64 * 1024
"""How much of a log's end is read."""
COLOURING = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")
"""What programs write to colour their output."""


class EventLog(RichLog):
    """The journal in words, the newest last; it follows unless scrolled up."""

    HELP = (
        "What happened, in the order of the journal, with the minutes and seconds of the search: the same "
        "lines that `apo run` prints. It follows the newest line unless you scroll up; G goes back to the "
        "end."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G", "scroll_end", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(id="events", markup=False, max_lines=500, wrap=True, min_width=20)
        self._said: Sequence[str] = ()
        self._total = self._written = self._width = 0

    def begin_anew(self) -> None:
        """Forget all lines."""
        self.clear()
        self._written = 0

    def show(self, lines: Sequence[str], written: int) -> None:
        """Write the lines that are new; `written` counts all that there ever were."""
        self._said, self._total = lines, written
        new = min(written - self._written, len(lines))
        if self._width > 0 and new > 0:
            self._written = written
            self.write(Text("\n".join(list(lines)[-new:])), width=self._width)

    def on_resize(self, _event: Resize) -> None:
        """Wrap all lines anew where the width has changed."""
        width = self.scrollable_content_region.width
        if width != self._width:
            self._width = width
            self.begin_anew()
            self.show(self._said, self._total)


class EngineLog(Screen[None]):
    """The end of the engine's log, followed."""

    HELP = "What the model server writes, or the run's own process where there is no server of apo's."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,l", "leave", "Back"),
        Binding("j", "scroll('down')", show=False),
        Binding("k", "scroll('up')", show=False),
        Binding("G", "scroll('end')", "End"),
    ]

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self.paths = paths
        self._shown: object = None

    def compose(self) -> ComposeResult:
        """Title, text, keys."""
        yield Static(id="title", markup=False)
        yield RichLog(markup=False, wrap=True, min_width=20)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Look at the file each second."""
        self._look()
        self.query_one(RichLog).focus()
        self.set_interval(1, self._look)

    def _look(self) -> None:
        path = next((p for p in self.paths if p.exists()), None)
        lines = last_lines(path, 2000) if path is not None else ["There is no log yet."]
        if (path, lines) == self._shown:
            return
        self._shown = (path, lines)
        self.query_one("#title", Static).update(Text(f" {path or self.paths[0]}"))
        log = self.query_one(RichLog)
        follows = log.is_vertical_scroll_end
        log.clear()
        log.write(Text("\n".join(lines)), scroll_end=follows)

    def action_scroll(self, where: str) -> None:
        """Move through the log."""
        log = self.query_one(RichLog)
        {"down": log.scroll_down, "up": log.scroll_up, "end": log.scroll_end}[where]()

    def action_leave(self) -> None:
        """Back to the run."""
        self.dismiss(None)


def last_lines(path: Path, most: int) -> list[str]:
    """The last lines of a text file, printable; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            content = file.read()
    except OSError:
        return []
    text = COLOURING.sub("", content.decode("utf-8", "replace"))
    lines = text.replace("\r", "\n").split("\n")
    return [printable(one[:2000]) for one in lines if one.strip()][-most:]
