"""The leaderboard widget: rows change in place, and the cursor stays on its candidate."""

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable
from textual.widgets.data_table import RowDoesNotExist

from tui.format import line
from tui.shown import COLUMNS, Line, Shown
from tui.theme import ink

RIGHT = ("#", "dev", "n", "Δ seed", "k", "tok", "!")
"""Columns whose cells end at the same place."""


class BoardTable(DataTable[Text]):
    """One row per candidate, keyed by its id."""

    HELP = (
        "The leaderboard ranks candidates by the lower end of the 95 % interval of their dev score, so "
        "that a few lucky rows lead nothing. ★ is the best fully evaluated candidate, ▸ is being "
        "evaluated, · waits, × was pruned, ! has requests that failed. Bold rows are tied: a paired "
        "comparison cannot tell them from the best. Δ seed is the paired difference to the seed prompt; "
        "rows says how far the evaluation goes; k counts exemplars, tok prompt tokens, ! failed requests. "
        "All scores are on dev rows, so the best one's is optimistic."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "down", show=False),
        Binding("k", "cursor_up", "up", show=False),
        Binding("g", "scroll_top", "first", show=False),
        Binding("G", "scroll_bottom", "last", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(
            id="board", cursor_type="row", cell_padding=0, cursor_foreground_priority="renderable"
        )
        self._lines: dict[str, Line] = {}
        self._theme = ""

    def on_mount(self) -> None:
        """Fixed columns."""
        for name, width in COLUMNS:
            self.add_column(Text(name.rjust(width - 1) if name in RIGHT else name), width=width, key=name)

    @property
    def chosen(self) -> str | None:
        """The candidate under the cursor."""
        if not self.row_count or not self.is_valid_row_index(self.cursor_row):
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value

    def show(self, shown: Shown, frozen: bool = False) -> None:
        """Show these rows; with `frozen`, those that are there already keep their order."""
        chosen = self.chosen
        # A new theme colours all rows anew.
        known = self._lines if self._theme == self.app.theme else {}
        new = {one.id: one for one in shown.lines}
        with self.prevent(DataTable.RowHighlighted), self.app.batch_update():
            for gone in self._lines.keys() - new.keys():
                self.remove_row(gone)
            for one in shown.lines:
                self._put(one, known.get(one.id))
            before = [key for key in self._lines if key in new]
            after = [key for key in new if key in self._lines]
            if (before != after or len(after) < len(new)) and not frozen:
                places = {key: place for place, key in enumerate(new)}
                self.sort("id", key=lambda cell: places[cell.plain])
            self._restore(chosen)
        order = [key for key in self._lines if key in new] if frozen else []
        self._lines = {key: new[key] for key in dict.fromkeys([*order, *new])}
        self._theme = self.app.theme
        self.border_subtitle = self._subtitle(shown)

    def _put(self, one: Line, known: Line | None) -> None:
        if known == one:
            return
        if one.id not in self._lines:
            self.add_row(*self._cells(one), key=one.id)
            return
        styled = known is None or (known.status, known.tied) != (one.status, one.tied)
        for place, (cell, (column, _)) in enumerate(zip(self._cells(one), COLUMNS, strict=True)):
            if styled or known is None or known.cells[place] != one.cells[place]:
                self.update_cell(one.id, column, cell)

    def _restore(self, chosen: str | None) -> None:
        if chosen is None:
            return
        try:
            self.move_cursor(row=self.get_row_index(chosen), scroll=False)
        except RowDoesNotExist:
            return

    def _cells(self, one: Line) -> list[Text]:
        style = Style(bold=one.tied)
        if one.status == "best":
            style = ink(self.app, "success", bold=True)
        elif one.status == "pruned":
            style = ink(self.app, "muted")
        found = []
        for cell, (name, width) in zip(one.cells, COLUMNS, strict=True):
            text = line(cell, max(1, width - 1))
            found.append(Text(text.rjust(width - 1) if name in RIGHT else text, style, no_wrap=True))
        # The id's cell is what rows are sorted by.
        found[2] = Text(one.id, style)
        if one.cells[0] == "!":
            found[0] = Text("! ", ink(self.app, "error", bold=True))
        return found

    def _subtitle(self, shown: Shown) -> Text:
        parts = [f"{shown.candidates} candidates", f"sort: {shown.by} ▼"]
        if shown.matching < shown.candidates:
            parts.insert(1, f"{shown.matching} match")
        if shown.matching > len(shown.lines):
            parts.insert(1, f"… and {shown.matching - len(shown.lines)} more")
        return Text(" · ".join(parts))
