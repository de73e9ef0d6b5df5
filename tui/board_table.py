"""The leaderboard widget: draws only the lines that are seen; its cursor is a candidate, not a place."""

from typing import ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.format import line
from tui.shown import COLUMNS, Line, Shown
from tui.theme import ink

RIGHT = ("#", "dev", "n", "Δ seed", "k", "tok", "!")
"""Columns whose cells end at the same place."""
HEADER = "".join((name.rjust(width - 1) if name in RIGHT else name).ljust(width) for name, width in COLUMNS)
WIDTH = sum(width for _, width in COLUMNS)


class BoardTable(ScrollView, can_focus=True):
    """One line per candidate, below a header that stays."""

    HELP = (
        "The leaderboard ranks candidates by the lower end of the 95 % interval of their dev score, so "
        "that a few lucky rows lead nothing. ★ is the best fully evaluated candidate, ▸ is being "
        "evaluated, · waits, × was pruned, ! has requests that failed. Bold rows are tied: a paired "
        "comparison cannot tell them from the best. Δ seed is the paired difference to the seed prompt; "
        "rows says how far the evaluation goes; k counts exemplars, tok prompt tokens, ! failed requests. "
        "All scores are on dev rows, so the best one's is optimistic."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home,g", "go(0)", "first", show=False),
        Binding("end,G", "go(-1)", "last", show=False),
        Binding("enter", "open", "open the candidate", show=False),
    ]

    class Chosen(Message):
        """The cursor went to another candidate."""

    class Opened(Message):
        """The candidate under the cursor is to be shown in full."""

    def __init__(self) -> None:
        super().__init__(id="board")
        self._shown = Shown()
        self.ids: list[str] = []
        """The candidates in the order of their lines."""
        self.chosen: str | None = None
        """The candidate under the cursor."""
        self.moved = False
        """Whether a person has put the cursor there."""

    def show(self, shown: Shown, frozen: bool = False) -> None:
        """Show these rows; with `frozen`, those that are there already keep their order."""
        place = self.place
        new = set(shown.ids)
        order = [one for one in self.ids if one in new] if frozen else []
        self._shown, self.ids = shown, list(dict.fromkeys([*order, *shown.ids]))
        if self.chosen not in new:
            self.chosen = self.ids[min(place, len(self.ids) - 1)] if self.ids else None
        self.virtual_size = Size(WIDTH, len(self.ids) + 1)
        self.border_subtitle = Text(_subtitle(shown))
        self.refresh()

    @property
    def place(self) -> int:
        """The line of the cursor, from 0."""
        return self.ids.index(self.chosen) if self.chosen in self.ids else 0

    def choose(self, candidate: str) -> None:
        """Put the cursor on a candidate, and make it seen."""
        if candidate not in self.ids:
            return
        self.chosen, self.moved = candidate, True
        top, seen, place = self.scroll_offset.y, max(1, self.content_size.height - 1), self.place
        if not top <= place < top + seen:
            self.scroll_to(y=place if place < top else place - seen + 1, animate=False)
        self.refresh()
        self.post_message(self.Chosen())

    def render_line(self, y: int) -> Strip:
        """The header, or the row that is seen on a line."""
        width, base = self.content_size.width, self.rich_style
        place = y - 1 + self.scroll_offset.y
        if y == 0:
            return _strip(HEADER, base + Style(bold=True), width)
        if place >= len(self.ids):
            return Strip.blank(width, base)
        one = self._shown.line(self.ids[place])
        style = base + self._style(one)
        if one.id == self.chosen:
            style += Style(reverse=True)
        strip = _strip(_text(one), style, width)
        if one.cells[0] == "!":
            alarm = Segment("!", style + ink(self.app, "error", bold=True))
            strip = Strip([alarm, *strip.crop(1, width)], width)
        return strip

    def _style(self, one: Line) -> Style:
        if one.status == "best":
            return ink(self.app, "success", bold=True)
        return ink(self.app, "muted") if one.status == "pruned" else Style(bold=one.tied)

    def on_click(self, event: Click) -> None:
        """Choose the candidate of a line; a second click opens it."""
        offset = event.get_content_offset(self)
        place = -1 if offset is None else offset.y - 1 + self.scroll_offset.y
        if offset is not None and offset.y > 0 and place < len(self.ids):
            self.choose(self.ids[place])
            if event.chain > 1:
                self.post_message(self.Opened())

    def action_move(self, lines: int) -> None:
        """Up or down."""
        if self.ids:
            self.choose(self.ids[min(len(self.ids) - 1, max(0, self.place + lines))])

    def action_page(self, pages: int) -> None:
        """A screenful up or down."""
        self.action_move(pages * max(1, self.content_size.height - 2))

    def action_go(self, place: int) -> None:
        """To the first (0) or the last (-1) line."""
        if self.ids:
            self.choose(self.ids[place])

    def action_open(self) -> None:
        """Show the candidate in full."""
        self.post_message(self.Opened())


def _text(one: Line) -> str:
    parts = []
    for cell, (name, width) in zip(one.cells, COLUMNS, strict=True):
        text = line(cell, max(1, width - 1))
        parts.append(set_cell_size(text.rjust(width - 1) if name in RIGHT else text, width))
    return "".join(parts)


def _strip(text: str, style: Style, width: int) -> Strip:
    return Strip([Segment(text, style)]).adjust_cell_length(width, style)


def _subtitle(shown: Shown) -> str:
    parts = [f"{shown.candidates} candidates", f"sort: {shown.by} ▼"]
    if shown.matching < shown.candidates:
        parts.insert(1, f"{shown.matching} match")
    if shown.matching > len(shown.ids):
        parts.insert(1, f"… and {shown.matching - len(shown.ids)} more")
    return " · ".join(parts)
