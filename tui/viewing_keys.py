"""Keys that change what is seen, and nothing else."""

from abc import abstractmethod

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, TabbedContent

from apo import export as exporting
from apo.candidate import Candidate
from apo.errors import ApoError
from apo.history import History
from apo.leaderboard import Order
from apo.store.runs import RunFolder
from tui.board_table import BoardTable
from tui.detail import Detail, ExampleOpened
from tui.dialogs import Reader
from tui.example_text import example_text
from tui.exporting import as_text, export
from tui.helping import help_text
from tui.logs import EngineLog, EventLog
from tui.plot import Plot
from tui.watched import Watched

VIEWS = ("board", "candidate", "examples", "plot", "events")
"""One at a time is shown where there is little room; elsewhere the key moves the focus there."""
ORDERS: tuple[Order, ...] = ("lower bound", "mean", "newest", "shortest")

VIEW: list[BindingType] = [
    Binding("s", "sort", "Sort"),
    Binding("slash", "filter", "Filter", key_display="/"),
    Binding("enter", "zoom", "Detail", show=False),
    Binding("escape", "back", "Back", show=False),
    Binding("d", "diff('')", "Diff", show=False),
    Binding("D", "diff('leader')", "Diff with the leader", show=False),
    Binding("o", "fold", "Fold exemplars", show=False),
    Binding("w", "export", "Export", show=False),
    Binding("c", "copy", "Copy the prompt", show=False),
    Binding("l", "log", "Engine log", show=False),
    *(Binding(str(n), f"view('{name}')", name, show=False) for n, name in enumerate(VIEWS, 1)),
    Binding("question_mark", "help", "Help", key_display="?"),
]


class ViewingKeys(Screen[History | None]):
    """Views, sorting, filter, detail, copying and exporting."""

    folder: RunFolder
    watched: Watched
    by: Order
    wanted: str
    view = "board"

    @property
    def chosen(self) -> Candidate | None:
        """The candidate under the cursor."""
        return self.watched.history.candidates.get(self.query_one(BoardTable).chosen or "")

    @abstractmethod
    def draw(self) -> None:
        """Draw all widgets."""

    @abstractmethod
    def draw_chosen(self) -> None:
        """Draw what depends on the candidate under the cursor."""

    @abstractmethod
    def show_views(self) -> None:
        """Mark the view that is shown."""

    def set_view(self, name: str) -> None:
        """Show a view, or where all have room, go there."""
        self.view = name
        for other in VIEWS:
            self.set_class(other == name, f"view-{other}")
        if name in ("candidate", "examples"):
            self.query_one(Detail).tab = "prompt" if name == "candidate" else "examples"
        self.show_views()

    def action_view(self, name: str) -> None:
        """The same by key."""
        self.set_view(name)
        places: dict[str, type[Widget]] = {"board": BoardTable, "plot": Plot, "events": EventLog}
        if name in places:
            self.call_after_refresh(self.query_one(places[name]).focus)
        else:
            self.call_after_refresh(self.focus_detail)
        self.draw()

    def focus_detail(self) -> None:
        """Let keys go to what the open tab shows."""
        pane = self.query_one(Detail).query_one(TabbedContent).active_pane
        if pane is not None:
            pane.query("Scroll, ExampleTable").first(Widget).focus()

    def action_sort(self) -> None:
        """The next order."""
        self.by = ORDERS[(ORDERS.index(self.by) + 1) % len(ORDERS)]
        self.draw()

    def action_filter(self) -> None:
        """Ask for a text."""
        self.add_class("-filtering")
        self.query_one("#filter", Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what matches while it is written."""
        if event.input.id == "filter":
            self.wanted = event.value.strip()
            self.draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter, and go back to the board."""
        if event.input.id == "filter":
            self.query_one(BoardTable).focus()

    def action_zoom(self) -> None:
        """The detail over the whole screen."""
        self.add_class("-zoomed")
        self.set_view("candidate")
        self.call_after_refresh(self.focus_detail)
        self.draw_chosen()

    def on_board_table_opened(self) -> None:
        """Enter or a second click on a candidate."""
        self.action_zoom()

    def action_back(self) -> None:
        """Out of the filter, or of the whole detail, to the same row."""
        if self.has_class("-filtering"):
            self.remove_class("-filtering")
            self.query_one("#filter", Input).value = ""
        self.remove_class("-zoomed")
        self.set_view("board")
        self.call_after_refresh(self.query_one(BoardTable).focus)
        self.draw()

    def action_diff(self, against: str) -> None:
        """What changed against the parent, or against the leader."""
        detail, best = self.query_one(Detail), self.watched.history.best()
        detail.against = best.id if against and best is not None else ""
        self.set_view("candidate")
        detail.tab = "diff"
        self.draw_chosen()

    def action_fold(self) -> None:
        """Fold or unfold exemplars."""
        detail = self.query_one(Detail)
        detail.folded = not detail.folded
        detail.tab = "prompt"
        self.draw_chosen()

    def on_example_opened(self, message: ExampleOpened) -> None:
        """A row in full."""
        self.app.push_screen(Reader(f"example {message.row.example.id}", example_text(message.row)))

    def action_copy(self) -> None:
        """The prompt to the clipboard of the terminal (OSC 52), over ssh too."""
        if self.chosen is not None:
            self.app.copy_to_clipboard(as_text(self.chosen.prompt))
            self.notify(f"{self.chosen.id} is copied.", markup=False)

    def action_export(self) -> None:
        """The candidate and the board as files beside the journal."""
        if self.chosen is None:
            return
        try:
            content = exporting.export(self.watched.history, self.folder.name, self.chosen.id)
            paths = export(self.folder, self.watched, self.chosen, content)
        except ApoError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.notify("Written: " + ", ".join(map(str, paths)), timeout=10, markup=False)

    def action_log(self) -> None:
        """The engine's log."""
        self.app.push_screen(EngineLog((self.folder.engine_log, self.folder.output)))

    def action_help(self) -> None:
        """Keys, and what the focused widget shows."""
        self.app.push_screen(Reader("Help", Text().append_text(help_text(self))))
