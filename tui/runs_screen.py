"""The runs of a results folder, the newest first, and a line that begins a new one."""

import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static
from textual.worker import get_current_worker

from apo.history import History
from apo.store.runs import RunFolder
from tui.dialogs import Reader
from tui.format import line
from tui.helping import help_text
from tui.new_run import NewRun
from tui.run_screen import RunScreen
from tui.summary import Summary, summaries
from tui.theme import ink

LOOK = 2.0
"""Seconds between two looks at the folder."""
NEW = "new"
"""Key of the line that begins a new run."""
COLUMNS = (("run", 30), ("state", 12), ("calls", 8), ("dev", 7), ("sealed test", 20), ("model", 30))
SIGNS = {"running": "●", "finished": "✓", "stopped": "✕", "unreadable": "!"}


class RunsTable(DataTable[Text]):
    """One row per run."""

    HELP = (
        "Runs, the newest first. Enter opens one, whether it is running, finished or stopped; n begins a new "
        "one. A stopped run can be gone on with from its screen (key r), or by apo resume."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "down", show=False),
        Binding("k", "cursor_up", "up", show=False),
        Binding("g", "scroll_top", "first", show=False),
        Binding("G", "scroll_bottom", "last", show=False),
    ]


class RunsScreen(Screen[History | None]):
    """Lists runs and opens them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New run"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "leave", "Quit"),
    ]

    def __init__(self, results: Path, clock: Callable[[], float]) -> None:
        super().__init__()
        self.results, self.clock = results, clock
        self._shown: list[Summary] = []

    def compose(self) -> ComposeResult:
        """Title, table, keys."""
        yield Static(Text(f" apo · runs in {line(str(self.results), 60)}"), id="title", markup=False)
        yield RunsTable(id="runs", cursor_type="row", cell_padding=0)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Columns, the line for a new run, and the thread that looks."""
        table = self.query_one(RunsTable)
        for name, width in COLUMNS:
            table.add_column(name, width=width, key=name)
        table.add_row(Text("＋ new run", ink(self.app, "accent", bold=True)), *[Text()] * 5, key=NEW)
        self._look()

    @work(thread=True, exclusive=True)
    def _look(self) -> None:
        worker = get_current_worker()
        known: list[Summary] | None = None
        while not worker.is_cancelled and self.is_attached:
            found = summaries(self.results)
            if found != known:
                known = found
                self.app.call_later(self.show, found)
            until = time.monotonic() + LOOK
            while time.monotonic() < until and not worker.is_cancelled:
                time.sleep(0.1)

    def show(self, found: list[Summary]) -> None:
        """Show these runs; the cursor stays on its run."""
        if not self.is_attached:
            return
        table = self.query_one(RunsTable)
        chosen = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        for one in self._shown:
            table.remove_row(one.folder.name)
        self._shown = found
        for one in found:
            style = ink(self.app, "muted" if one.state != "running" else "success")
            cells = (one.calls, one.dev, one.test, line(one.model, 60))
            state = Text(f"{SIGNS[one.state]} {one.state}", style)
            table.add_row(
                Text(line(one.folder.name, 29)), state, *(Text(c) for c in cells), key=one.folder.name
            )
        if chosen in table.rows and chosen is not None:
            table.move_cursor(row=table.get_row_index(chosen))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open a run, or begin one."""
        if event.row_key.value == NEW:
            self.action_new()
            return
        found = next((one for one in self._shown if one.folder.name == event.row_key.value), None)
        if found is not None:
            self.app.push_screen(RunScreen(found.folder, None, self.clock))

    def action_new(self) -> None:
        """Ask what to run."""
        self.app.push_screen(NewRun(self.results), self._begun)

    def _begun(self, begun: tuple[RunFolder, Popen[bytes]] | None) -> None:
        if begun is not None:
            folder, child = begun
            self.app.push_screen(RunScreen(folder, child, self.clock))

    def action_help(self) -> None:
        """Keys, and what the table shows."""
        self.app.push_screen(Reader("Help", help_text(self)))

    def action_leave(self) -> None:
        """The end; runs go on."""
        self.dismiss(None)
