"""The detail pane: one candidate's prompt, examples, difference to another, and lineage."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import DataTable, Static, TabbedContent, TabPane

from apo import words
from apo.candidate import Candidate
from tui import examples
from tui.candidate_text import errors_text, lineage_text, prompt_text
from tui.diff import prompt_diff
from tui.examples import Met
from tui.format import line
from tui.theme import ink
from tui.watched import Watched

TABS = ("prompt", "examples", "diff", "lineage")


class Scroll(VerticalScroll):
    """A text that scrolls, by keys too."""

    HELP = (
        "A candidate in detail. Prompt: exactly the messages that the model receives, {{input}} standing "
        "for the row's input; o folds and unfolds exemplars. Diff: what changed against the parent (d) or "
        "the leader (D), [-removed-] and {+added+}. Lineage: where the candidate came from."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "down", show=False),
        Binding("k", "scroll_up", "up", show=False),
        Binding("g", "scroll_home", "first", show=False),
        Binding("G", "scroll_end", "last", show=False),
    ]


class ExampleTable(DataTable[Text]):
    """The dev rows that a candidate met."""

    HELP = (
        "The dev rows that this candidate met: rows without an answer (!) first, then wrong (✗), partly "
        "right (~) and right (✓) ones. The arrow begins with the parent's result on the same row. Enter "
        "shows input, output and feedback in full."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "down", show=False),
        Binding("k", "cursor_up", "up", show=False),
        Binding("g", "scroll_top", "first", show=False),
        Binding("G", "scroll_bottom", "last", show=False),
    ]


class ExampleOpened(Message):
    """A row is to be shown in full."""

    def __init__(self, row: Met) -> None:
        super().__init__()
        self.row = row


class Detail(Vertical):
    """Shows the candidate under the leaderboard's cursor."""

    def __init__(self) -> None:
        super().__init__(id="detail")
        self.folded = True
        self.against = ""
        """The candidate that Diff compares with; empty: the parent."""
        self._rows: list[Met] = []
        self._drawn: dict[str, object] = {}

    def compose(self) -> ComposeResult:
        """The four tabs."""
        with TabbedContent(id="tabs"):
            with TabPane("Prompt", id="prompt"), Scroll():
                yield Static(id="prompt-text", markup=False)
            with TabPane("Examples", id="examples"):
                yield Static(id="errors", markup=False)
                yield ExampleTable(id="rows", cursor_type="row", cell_padding=0)
            with TabPane("Diff", id="diff"), Scroll():
                yield Static(id="diff-text", markup=False)
            with TabPane("Lineage", id="lineage"), Scroll():
                yield Static(id="lineage-text", markup=False)

    def on_mount(self) -> None:
        """Columns of the examples."""
        table = self.query_one(ExampleTable)
        for name, width in (("", 4), ("example", 11), ("answer", 14), ("target", 14)):
            table.add_column(name, width=width)

    @property
    def tab(self) -> str:
        """The tab that is shown."""
        return self.query_one(TabbedContent).active

    @tab.setter
    def tab(self, name: str) -> None:
        self.query_one(TabbedContent).active = name

    def show(self, watched: Watched, candidate: Candidate | None) -> None:
        """Show a candidate in the open tab, unless just that is shown already."""
        if candidate is None:
            self.border_title = self.border_subtitle = ""
            return
        score = watched.board.score(candidate.id)
        self.border_title = Text(f"{candidate.id}  {words.percent(score)}")
        parents = f"({', '.join(candidate.parents)})" if candidate.parents else ""
        self.border_subtitle = Text(line(f"{candidate.origin}{parents}", 60))
        scores = watched.history.scores(candidate.id)
        drawn = (candidate.id, scores, self.folded, self.against, self.app.theme)
        known = self._drawn.get(self.tab)
        if isinstance(known, tuple) and all(a is b or a == b for a, b in zip(known, drawn, strict=True)):
            return
        self._drawn[self.tab] = drawn
        self._draw(watched, candidate)

    def _draw(self, watched: Watched, candidate: Candidate) -> None:
        history = watched.history
        match self.tab:
            case "prompt":
                self._text("#prompt-text", prompt_text(candidate, self.folded))
            case "examples":
                self._draw_examples(watched, candidate)
            case "diff":
                self._text("#diff-text", self._diff(watched, candidate))
            case _:
                self._text("#lineage-text", lineage_text(history, watched.board, candidate))

    def _text(self, where: str, text: Text) -> None:
        self.query_one(where, Static).update(text)

    def _diff(self, watched: Watched, candidate: Candidate) -> Text:
        other = self.against or (candidate.parents[0] if candidate.parents else "")
        old = watched.history.candidates.get(other)
        if old is None:
            return Text("This candidate has no parent.")
        what = "the leader" if self.against else "its parent"
        gone, come = ink(self.app, "error"), ink(self.app, "success")
        text = Text(f"{candidate.id} against {what} {other}\n\n")
        return text.append_text(prompt_diff(old.prompt, candidate.prompt, gone, come))

    def _draw_examples(self, watched: Watched, candidate: Candidate) -> None:
        self._rows = examples.met(watched.history, candidate)
        errors = errors_text(watched.history, candidate.id)
        self._text("#errors", errors)
        self.query_one("#errors").display = bool(errors)
        table = self.query_one(ExampleTable)
        place = table.cursor_row
        table.clear()
        for row in self._rows:
            wrong = row.own.score is None or row.own.score.value < 1
            style = ink(self.app, "error" if wrong else "success")
            table.add_row(
                Text(row.change, style),
                Text(line(row.example.id, 10)),
                Text(line(examples.answer(row.own), 60)),
                Text(line(row.example.target, 60)),
            )
        table.move_cursor(row=min(place, max(0, len(self._rows) - 1)))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter or a click on an example."""
        event.stop()
        if event.cursor_row < len(self._rows):
            self.post_message(ExampleOpened(self._rows[event.cursor_row]))
