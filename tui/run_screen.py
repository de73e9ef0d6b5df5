"""One run on a screen: board, detail, plot and events, drawn from what was folded so far."""

from collections.abc import Callable
from subprocess import Popen
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.events import Resize
from textual.widgets import Footer, Input, Static, TabbedContent, Tabs
from textual.worker import get_current_worker

from apo import words
from apo.history import History
from apo.leaderboard import Order
from apo.store.runs import RunFolder
from tui import telling
from tui.board_table import BoardTable
from tui.budget import budget_line
from tui.detail import Detail
from tui.format import line
from tui.logs import EventLog
from tui.plot import Plot
from tui.shown import Shown, shown
from tui.steering_keys import LIVE, NEEDS, STEER, SteeringKeys
from tui.viewing_keys import VIEW, VIEWS, ViewingKeys
from tui.watched import Watched
from tui.watching import Found, watch

REFRESH = 0.2
"""Least seconds between two drawings."""
SELDOM = 10
"""Ticks between two drawings of the board while it is far behind."""
LEAST = (60, 15)
"""The smallest terminal that is drawn on, columns and lines."""

BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
"""Classes by columns; the stylesheet shows one view at a time where it is narrow."""


class RunScreen(SteeringKeys, ViewingKeys):
    """Draws at most five times a second; all state is in `watched` and in the choices of the person."""

    BINDINGS: ClassVar[list[BindingType]] = [*STEER, *VIEW, Binding("q", "leave", "Quit")]
    HORIZONTAL_BREAKPOINTS = BREAKPOINTS
    AUTO_FOCUS = "#board"

    def __init__(
        self, folder: RunFolder, child: Popen[bytes] | None, clock: Callable[[], float], follow: bool = True
    ) -> None:
        """`follow`: look at the folder; without it, only what is handed to `take` is shown."""
        super().__init__()
        self.folder, self.child, self.clock, self.follow = folder, child, clock, follow
        self.watched = Watched()
        self.by: Order = "lower bound"
        self.wanted = ""
        self.opened = clock()
        self._due = True
        self._waited = 0
        self._working: list[bool | None] = []

    def compose(self) -> ComposeResult:
        """All widgets; the stylesheet shows those that have room."""
        yield Static("", id="small", markup=False)
        with Vertical(id="all"):
            with Horizontal(id="status"):
                yield Static(id="title", markup=False)
                yield Static(id="state", markup=False)
            yield Static(id="budget", markup=False)
            yield Static(id="views", markup=False)
            yield Static(id="notice", markup=False)
            yield Input(placeholder="filter by text of prompt, id or origin; escape clears", id="filter")
            with Container(id="body"):
                with Vertical(id="left"):
                    yield BoardTable()
                    yield Static(id="empty", markup=False)
                    yield Static(id="preview", markup=False)
                yield Detail()
                yield Plot()
                yield EventLog()
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Titles, the first view, and the thread that follows the run."""
        self.query_one(BoardTable).border_title = "Leaderboard (dev)"
        self.query_one(Plot).border_title = "Best score vs calls"
        self.query_one(EventLog).border_title = "Events"
        self.set_view("board")
        self.set_interval(REFRESH, self._tick)
        if self.follow:
            self._watch()
        else:
            self.watched.catching_up = False

    @work(thread=True, exclusive=True)
    def _watch(self) -> None:
        worker = get_current_worker()

        def over() -> bool:
            return worker.is_cancelled or not self.is_attached

        watch(self.folder, lambda: self.child, self.post_message, over)

    def on_found(self, found: Found) -> None:
        """News from the folder."""
        self.take(found)
        found.taken.set()

    def take(self, found: Found) -> None:
        """Fold news in; they are drawn at the next tick."""
        if found.batch is not None:
            if found.batch.again:
                self.watched = Watched(facts=self.watched.facts)
                self.query_one(EventLog).begin_anew()
            self.watched.fold(found.batch.records)
            self.watched.trouble = self.watched.trouble or found.batch.trouble
            self._caught_up(found.batch.behind)
            self.acknowledge(found.batch.records)
        if found.facts is not None:
            self.watched.facts = found.facts
        self._due = True

    def _caught_up(self, behind: bool) -> None:
        board = self.query_one(BoardTable)
        if self.watched.catching_up and not behind and not board.moved:
            # A run that is opened shows its leader, not whoever led when its beginning was read.
            board.chosen = None
        self.watched.catching_up = behind

    @property
    def history(self) -> History:
        """What is known of the run."""
        return self.watched.history

    def _tick(self) -> None:
        if not self.is_current and not self._due:
            return
        self.draw_status()
        # While a long journal is read, drawing the board each time would take longer than reading.
        self._waited += 1
        if self._due and (not self.watched.catching_up or self._waited >= SELDOM):
            self._due, self._waited = False, 0
            self.draw()

    def draw_status(self) -> None:
        """Draw what changes with time alone: state, clock, budget, notices."""
        watched, now = self.watched, self.clock()
        self._put("#title", telling.title(watched, self.folder))
        self._put("#state", telling.status(self.app, watched, now))
        if watched.history.started is not None:
            going_on, seconds = watched.state in LIVE, watched.seconds(now)
            self._put("#budget", budget_line(self.app, watched.history, seconds, self.size.width, going_on))
        told = telling.notice(self.app, watched, self.folder, self.late(now))
        self._put("#notice", told or Text())
        self.query_one("#notice").display = told is not None
        if not watched.history.candidates:
            self._put("#empty", telling.empty(watched, self.folder, now - self.opened))

    def draw(self) -> None:
        """Draw all widgets from what is known now."""
        watched = self.watched
        board = self.query_one(BoardTable)
        there = bool(watched.history.candidates)
        board.display, self.query_one("#empty").display = there, not there
        rows = shown(watched, self.by, self.wanted) if there else Shown()
        board.show(rows, frozen=watched.state == "paused")
        self.draw_chosen()
        self.query_one(Plot).show(watched)
        self.query_one(EventLog).show(watched.lines, watched.written)

    def draw_chosen(self) -> None:
        """Draw what depends on the candidate under the cursor."""
        candidate = self.chosen
        self.query_one(Detail).show(self.watched, candidate)
        working = [self.check_action(action, ()) for action in NEEDS]
        if working != self._working:
            # The footer is made anew only when a key has become another one.
            self._working = working
            self.refresh_bindings()
        text = Text()
        if candidate is not None:
            parents = f" ← {', '.join(candidate.parents)}" if candidate.parents else ""
            score = words.percent(self.watched.board.score(candidate.id))
            text.append(line(f"{candidate.id}{parents} ({candidate.origin}) · {score}", 120) + "\n", "bold")
            text.append(line(candidate.prompt.instruction, 400))
        self._put("#preview", text)

    def _put(self, where: str, text: Text) -> None:
        widget = self.query_one(where, Static)
        if widget.content != text:
            widget.update(text)

    def on_board_table_chosen(self) -> None:
        """Another candidate is under the cursor."""
        self.draw_chosen()

    def on_tabbed_content_tab_activated(self, _event: TabbedContent.TabActivated) -> None:
        """Another tab of the detail pane."""
        self.draw_chosen()
        if self.view in ("candidate", "examples") and not isinstance(self.focused, Tabs):
            self.focus_detail()

    def on_resize(self, event: Resize) -> None:
        """One line where there is no room for more."""
        width, height = event.size
        small = width < LEAST[0] or height < LEAST[1]
        self.set_class(small, "-small")
        told = f"apo needs {LEAST[0]} × {LEAST[1]}; this terminal is {width} × {height}."
        self._put("#small", Text(told))
        self._put("#views", self._views())
        self.call_after_refresh(self.draw)

    def _views(self) -> Text:
        text = Text(" ")
        for number, name in enumerate(VIEWS, 1):
            label = f"{number} {name.capitalize()}"
            text.append(
                f"[{label}]" if name == self.view else f" {label} ", "bold" if name == self.view else ""
            )
        return text

    def show_views(self) -> None:
        """Mark the view that is shown."""
        self._put("#views", self._views())
