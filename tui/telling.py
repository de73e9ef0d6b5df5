"""A run's state in words: the status line, and the notices of each state."""

from rich.text import Text
from textual.app import App

from apo import words
from apo.store.runs import RunFolder
from tui.format import clock, line
from tui.theme import ink
from tui.watched import State, Watched

SIGNS: dict[State, tuple[str, str]] = {
    "starting": ("○ STARTING", "muted"),
    "running": ("● RUNNING", "success"),
    "paused": ("‖ PAUSED", "warning"),
    "waiting": ("◌ WAITING FOR THE SERVER", "warning"),
    "stopped": ("✕ ENGINE STOPPED", "error"),
    "finished": ("✓ FINISHED", "primary"),
    "gone": ("✕ RUN DELETED", "error"),
}


def title(watched: Watched, folder: RunFolder) -> Text:
    """Task, model and run."""
    parts = ["apo"]
    if watched.history.started is not None:
        parts += [line(watched.history.task.name, 24), line(watched.history.server.model, 24)]
        chosen = watched.history.scoring
        parts += ["scored by the first token"] if chosen and chosen.way == "token" else []
    return Text(
        " " + " · ".join(line(part, 40) for part in (*parts, folder.name)), no_wrap=True, overflow="ellipsis"
    )


def status(app: App[object], watched: Watched, now: float) -> Text:
    """State, step and elapsed time."""
    sign, colour = SIGNS[watched.state]
    text = Text(sign, ink(app, colour, bold=True))
    if watched.catching_up:
        text = Text(f"… READING {watched.history.total.calls:,} calls", ink(app, "muted"))
    if watched.history.orders.received and watched.state != "finished":
        text.append(f" ({len(watched.history.orders.received)} pending)")
    if watched.history.steps:
        text.append(f"  step {watched.history.steps[-1].number}")
    return text.append(f"  {clock(watched.seconds(now))} ")


def notice(app: App[object], watched: Watched, folder: RunFolder, late: str) -> Text | None:
    """What people should know now, over the board; None where there is nothing. `late`: orders unanswered."""
    text = Text()
    if watched.trouble:
        text.append(f"! {line(watched.trouble, 400)}\n", ink(app, "error"))
    if late:
        text.append(f"! {late}\n", ink(app, "warning"))
    match watched.state:
        case "gone":
            text.append(f"! The folder {folder.path} was deleted; what was read of it stays here.\n")
        case "stopped":
            text.append_text(_stopped(app, watched, folder))
        case "waiting":
            text.append(f"◌ {line(watched.history.lost, 300)}\n", ink(app, "warning"))
        case "finished":
            text.append_text(_finished(app, watched))
        case _:
            pass
    if text:
        text.right_crop(1)
    return text or None


def _stopped(app: App[object], watched: Watched, folder: RunFolder) -> Text:
    text = Text("✕ Nobody runs this search now. Go on with it (key r here): ", ink(app, "error"))
    text.append(f"apo resume {folder.name}\n", "bold")
    problems = watched.history.problems[-1:]
    for told in [f"last problem: {line(p, 300)}" for p in problems] or watched.facts.log[-10:]:
        text.append(f"  {line(told, 300)}\n", ink(app, "muted"))
    return text


def _finished(app: App[object], watched: Watched) -> Text:
    history = watched.history
    assert history.finished is not None
    best, tested = history.finished.best, history.tested
    text = Text()
    if best in history.candidates:
        dev = words.percent(watched.board.score(best))
        text.append(f"✓ {best} is the winner: dev {dev}\n", "bold")
    if watched.luck:
        text.append(f"{watched.luck}\n", ink(app, "muted"))
    if tested is not None:
        seed, winner = words.percent(tested.seed), words.percent(tested.score)
        text.append(f"Sealed test: seed   {seed}\n             winner {winner}\n")
        text.append(
            f"{words.verdict(history)}\n", ink(app, "success" if tested.difference.low > 0 else "warning")
        )
    total = history.total
    tokens = words.count(total.prompt_tokens + total.completion_tokens)
    spent = f"{total.calls} calls, {tokens} tokens, {words.duration(history.seconds)}"
    return text.append(f"{spent} · {line(history.finished.reason, 30)} · w exports\n", ink(app, "muted"))


def empty(watched: Watched, folder: RunFolder, waited: float) -> Text:
    """In place of the board while it has no candidate."""
    text = Text("\n  No candidates yet.\n\n")
    if watched.state == "starting":
        doing = watched.facts.output or "The model server is being started."
        if watched.history.started is not None:
            doing = f"{watched.history.server.model} answers."
        text.append(f"  {line(doing, 200)} ({words.duration(waited)})\n")
        text.append("  The seed prompt is evaluated first;\n")
        text.append("  press a to add a candidate of your own meanwhile.\n")
    elif watched.state == "stopped":
        text.append("  The run has not begun.\n")
    text.append(f"\n  Engine output: {folder.engine_log}\n  (press l to read)\n")
    return text
