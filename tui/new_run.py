"""The form for a new run: every field has a default, so that Enter starts one."""

import subprocess
import sys
from pathlib import Path
from subprocess import Popen
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.widgets import Button, Footer, Input, Label, Select, Static

from apo import plugins
from apo.errors import ApoError
from apo.loading import descriptions, load
from apo.options import RunOptions
from apo.spec import DEFAULT_CALLS, DEFAULT_MODEL, PROPOSERS, SCHEDULER, SELECTORS
from apo.store.runs import RunFolder
from apo.words import printable
from tui.dialogs import Reader
from tui.format import line
from tui.helping import help_text
from tui.starting import arguments, begin, options, outlook

FIRST_TASK = "tickets"
FIELDS: tuple[tuple[str, str, str], ...] = (
    ("data", "or a data file", ""),
    ("input", "  its input column", "input"),
    ("target", "  its answer column", "target"),
    ("model", "Model", DEFAULT_MODEL),
    ("url", "Server (empty: vLLM here)", ""),
    ("proposer", "Proposers", ", ".join(PROPOSERS)),
    ("selector", "Exemplar selectors", ", ".join(SELECTORS)),
    ("calls", "Budget: calls", str(DEFAULT_CALLS)),
    ("minutes", "Budget: minutes", ""),
)
"""Names as on the command line, labels, defaults."""


class NewRun(Screen[tuple[RunFolder, Popen[bytes]] | None]):
    """Asks what to run; returns the folder and the process of the run that it has started."""

    HELP = (
        "What to search a prompt for, on which model, with what means and within what limits. All "
        "fields have defaults; Start begins the run in the background. Proposers and selectors are "
        "names with commas between them, each with options if wanted (mutation:strength=3), or none. "
        "ctrl+f asks the model the first rows and says how long the run will take: what "
        "apo run --dry-run prints."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "start", "Start"),
        Binding("ctrl+f", "measure", "Measure"),
        Binding("escape", "leave", "Back"),
        Binding("f1", "help", "Help"),
    ]

    def __init__(self, results: Path) -> None:
        super().__init__()
        self.results = results
        self._asked: Popen[str] | None = None
        self._starting = False

    def compose(self) -> ComposeResult:
        """The form."""
        told = descriptions()
        first = FIRST_TASK if FIRST_TASK in told else next(iter(told), "")
        yield Static(" apo · new run", id="title", markup=False)
        with VerticalScroll(id="form", can_focus=False):
            with Horizontal(classes="field"):
                yield Label("Task")
                choices = [(Text(line(f"{name}  {what}", 90)), name) for name, what in told.items()]
                yield Select(choices, value=first, allow_blank=False, id="task", compact=True)
            for name, label, default in FIELDS:
                with Horizontal(classes="field"):
                    yield Label(label)
                    yield Input(default, id=name, compact=True)
            with Horizontal(classes="field"):
                yield Label("Scheduler")
                schedulers = [(name, name) for name in plugins.names("schedulers")]
                yield Select(schedulers, value=SCHEDULER, allow_blank=False, id="scheduler", compact=True)
            with Horizontal(classes="field"):
                yield Label("vLLM ready sooner, slower")
                yield Select(
                    [("no", "no"), ("yes", "yes")], value="no", allow_blank=False, id="eager", compact=True
                )
        yield Static(id="outlook", markup=False)
        yield Static(id="problem", markup=False)
        yield Button("Start", id="start")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Enter starts."""
        self.query_one("#start").focus()

    def chosen(self) -> RunOptions:
        """What the fields say.

        Raises:
            ConfigError: naming the field that does not fit.
        """
        written = {name: self.query_one(f"#{name}", Input).value for name, _, _ in FIELDS}
        for name in ("task", "scheduler"):
            written[name] = str(self.query_one(f"#{name}", Select).value)
        return options(written, self.query_one("#eager", Select).value == "yes")

    def on_select_changed(self) -> None:
        """Another task."""
        self._foresee()

    def on_input_blurred(self) -> None:
        """Another field is done."""
        self._foresee()

    @work(thread=True, exclusive=True, group="outlook")
    def _foresee(self) -> None:
        try:
            chosen = self.chosen()
            said, problem = outlook(load(chosen.source()), chosen), ""
        except ApoError as error:
            said, problem = "", str(error)
        self.app.call_later(self._tell, said, problem)

    def _tell(self, said: str, problem: str) -> None:
        if self.is_attached:
            self.query_one("#outlook", Static).update(printable(said))
            self.query_one("#problem", Static).update(printable(problem))

    def on_button_pressed(self) -> None:
        """Start."""
        self.action_start()

    def on_input_submitted(self) -> None:
        """Enter in a field goes to the button."""
        self.query_one("#start").focus()

    def action_start(self) -> None:
        """Begin the run, unless one is being begun."""
        if not self._starting:
            self._starting = True
            self._tell("Starting…", "")
            self._start()

    @work(thread=True, group="start")
    def _start(self) -> None:
        try:
            begun = begin(self.results, self.chosen())
        except ApoError as error:
            self._starting = False
            self.app.call_later(self._tell, "", str(error))
            return
        self.app.call_later(self.dismiss, begun)

    def action_measure(self) -> None:
        """Ask the model the first rows, as a dry run does, in a process of its own."""
        if self._asked is not None:
            return
        try:
            command = [sys.executable, "-m", "apo", "run", *arguments(self.chosen()), "--dry-run"]
        except ApoError as error:
            self._tell("", str(error))
            return
        self._asked = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._tell("Measuring: the model answers the first rows…", "")
        self._await(self._asked)

    @work(thread=True, group="measure")
    def _await(self, asked: Popen[str]) -> None:
        said, problem = asked.communicate()
        self._asked = None
        last = (problem.strip().splitlines() or [""])[-1]
        self.app.call_later(self._tell, said.strip(), "" if asked.returncode == 0 else last)

    def action_help(self) -> None:
        """What the fields mean."""
        self.app.push_screen(Reader("Help", help_text(self)))

    def action_leave(self) -> None:
        """Back to the runs; a measurement ends."""
        if self._asked is not None:
            self._asked.terminate()
        self.dismiss(None)
