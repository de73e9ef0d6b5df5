"""Keys that steer a run: each sends a command through its inbox, and says when it is acknowledged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from subprocess import Popen

from textual.binding import Binding, BindingType
from textual.screen import Screen

from apo import commands, events
from apo.budget import Budget
from apo.commands import Order
from apo.errors import ApoError
from apo.history import History
from apo.launching import launch
from apo.prompt import Prompt
from apo.steering import refusal
from apo.store import inbox
from apo.store.runs import RunFolder
from tui.board_table import BoardTable
from tui.dialogs import BudgetDialog, Choice
from tui.editor import EMPTY, Editor
from tui.watched import State, Watched

PATIENCE = 60.0
"""Seconds after which a command without acknowledgement is reported."""
AT_ONCE = (commands.Pause, commands.Resume, commands.Stop)
LIVE: frozenset[State] = frozenset({"running", "paused", "waiting"})
STEERABLE: frozenset[State] = LIVE | {"starting", "stopped"}
NEEDS: dict[str, frozenset[State]] = {
    "pause": frozenset({"running", "waiting"}),
    "go_on": frozenset({"paused"}),
    "stop": LIVE | {"starting"},
    "promote": STEERABLE,
    "ban": STEERABLE,
    "add": STEERABLE,
    "edit": STEERABLE,
    "budget": STEERABLE,
    "resume": frozenset({"stopped"}),
}
"""The states in which an action does something."""
STEER: list[BindingType] = [
    Binding("space", "pause", "Pause"),
    Binding("space", "go_on", "Go on"),
    Binding("r", "resume", "Go on"),
    Binding("x", "stop", "Stop"),
    Binding("P", "promote", "Promote"),
    Binding("a", "add", "Add"),
    Binding("e", "edit", "Edit"),
    Binding("B", "ban", "Ban the candidate", show=False),
    Binding("b", "budget", "Change the budget", show=False),
]
ON_CANDIDATE = ("promote", "ban", "edit")


@dataclass(frozen=True, slots=True)
class Own:
    """A command that this screen has sent."""

    name: str
    at: float
    """Seconds since the epoch."""
    command: Order


class SteeringKeys(Screen[History | None]):
    """Pause, stop, promote, ban, add, edit, budget and quit."""

    folder: RunFolder
    watched: Watched
    child: Popen[bytes] | None
    clock: Callable[[], float]
    follow: bool
    own: dict[str, Own]

    def on_mount(self) -> None:
        """Nothing was sent so far."""
        self.own = {}

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """True: the key works; None: it is greyed; False: it is hidden, since it can never work again."""
        state = self.watched.state
        if action not in NEEDS:
            return True
        if state in ("finished", "gone"):
            return False
        if action in ("resume", "go_on") or (action == "pause" and state in ("paused", "stopped")):
            # Keys that take the place of each other.
            return state in NEEDS[action]
        if state not in NEEDS[action]:
            return None
        if action in ON_CANDIDATE:
            return None if self._why_not(action) else True
        return True

    def _why_not(self, action: str) -> str | None:
        chosen = self.query_one(BoardTable).chosen
        if chosen is None:
            return "there is no candidate"
        if action == "edit":
            return None
        command = commands.Promote if action == "promote" else commands.Ban
        return refusal(command(candidate=chosen), self.watched.history)

    def send(self, command: Order) -> None:
        """Write a command into the inbox, unless it is known to be refused."""
        history = self.watched.history
        reason = refusal(command, history) if history.started is not None else None
        name = commands.name(command)
        if reason is not None:
            self.notify(f"The run would refuse to {name}: {reason}.", severity="warning", markup=False)
            return
        try:
            sent = inbox.send(self.folder.inbox, command)
        except ApoError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.own[sent.id] = Own(name, self.clock(), command)
        when = "" if self.watched.facts.live else "; it takes effect when the run goes on"
        self.notify(f"{name}: sent{when}", markup=False)

    def acknowledge(self, records: Sequence[events.Record]) -> None:
        """Say what became of commands of this screen."""
        for record in records:
            match record.event:
                case events.CommandReceived(sent=sent) if sent.id in self.own:
                    own = self.own[sent.id]
                    # From now on it is on the journal, so nobody waits for an answer any more.
                    self.own[sent.id] = Own(own.name, float("inf"), own.command)
                    if not isinstance(own.command, AT_ONCE):
                        self._tell(sent.id, f"received, takes effect at step {self._next_step()}")
                case events.CommandApplied(id=command) if command in self.own:
                    self._tell(command, "done")
                    del self.own[command]
                case events.CommandRefused(id=command, reason=reason) if command in self.own:
                    self._tell(command, f"refused: {reason}", "warning")
                    del self.own[command]
                case _:
                    pass

    def _tell(self, command: str, what: str, severity: str = "information") -> None:
        text = f"{self.own[command].name}: {what}"
        self.notify(text, severity="warning" if severity == "warning" else "information", markup=False)

    def _next_step(self) -> int:
        steps = self.watched.history.steps
        return steps[-1].number + 1 if steps else 0

    def late(self, now: float) -> str:
        """Which command was not acknowledged in time; empty if none."""
        late = [own for own in self.own.values() if now - own.at > PATIENCE]
        if not late or not self.watched.facts.live:
            return ""
        pid = self.watched.facts.writer
        since = f"; its last event was {now - (self.watched.last_time or now):.0f} s ago"
        who = f" (process {pid})" if pid is not None else ""
        return f"The engine{who} has not answered to: {late[0].name}{since}."

    def action_pause(self) -> None:
        """Ask no more rows."""
        self.send(commands.Pause())

    def action_go_on(self) -> None:
        """After a pause."""
        self.send(commands.Resume())

    def action_resume(self) -> None:
        """Go on with a run that nobody runs, in the background."""
        try:
            self.child = launch(self.folder)
        except ApoError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.notify("Going on in the background; this takes a moment.", markup=False)

    def action_stop(self) -> None:
        """Ask how."""
        answers = {
            "finish": "Finish: score the best on the sealed test",
            "interrupt": "Interrupt: go on later",
            "cancel": "Cancel",
        }
        self.app.push_screen(Choice("Stop the search?", answers), self._stop)

    def _stop(self, answer: str | None) -> None:
        if answer is not None:
            self.send(commands.Stop(now=answer == "interrupt"))

    def action_promote(self) -> None:
        """Evaluate the candidate under the cursor on every dev row."""
        chosen = self.query_one(BoardTable).chosen
        if chosen is not None:
            self.send(commands.Promote(candidate=chosen))

    def action_ban(self) -> None:
        """Drop the candidate under the cursor, once that is confirmed."""
        chosen = self.query_one(BoardTable).chosen
        if chosen is None:
            return

        def answered(answer: str | None) -> None:
            if answer is not None:
                self.send(commands.Ban(candidate=chosen))

        answers = {"ban": f"Ban {chosen}", "cancel": "Cancel"}
        self.app.push_screen(Choice(f"Ban {chosen}? It gets no more rows and cannot win.", answers), answered)

    def action_add(self) -> None:
        """Write a candidate."""
        history = self.watched.history
        layout = history.task.seed.layout if history.started is not None else EMPTY.layout
        self._edit("A new candidate", Prompt("", (), layout), "")

    def action_edit(self) -> None:
        """Write a candidate that begins as the one under the cursor."""
        chosen = self.query_one(BoardTable).chosen
        if chosen is not None:
            prompt = self.watched.history.candidates[chosen].prompt
            self._edit(f"A new candidate from {chosen}", prompt, chosen)

    def _edit(self, title: str, prompt: Prompt, parent: str) -> None:
        def written(new: Prompt | None) -> None:
            if new is not None:
                self.send(commands.Add(prompt=new, parent=parent))

        self.app.push_screen(Editor(title, prompt), written)

    def action_budget(self) -> None:
        """Change the limits."""

        def chosen(budget: Budget | None) -> None:
            if budget is not None:
                self.send(commands.SetBudget(budget=budget))

        self.app.push_screen(BudgetDialog(self.watched.history.budget), chosen)

    def action_leave(self) -> None:
        """Leave; the run goes on, unless this screen started it and the person says otherwise."""
        if self.child is None or self.child.poll() is not None or self.watched.state not in NEEDS["stop"]:
            self.dismiss(self.watched.history)
            return
        answers = {
            "finish": "Finish: score the best",
            "interrupt": "Interrupt: go on later",
            "leave": "Leave it running",
            "cancel": "Cancel",
        }
        self.app.push_screen(Choice("The search runs in the background.", answers), self._leave)

    def _leave(self, answer: str | None) -> None:
        if answer in ("finish", "interrupt"):
            self.send(commands.Stop(now=answer == "interrupt"))
        if answer is not None:
            self.dismiss(self.watched.history)
