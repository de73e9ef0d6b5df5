"""The budget line: a bar for each limit, and about how long the run still takes."""

from rich.style import Style
from rich.text import Text
from textual.app import App

from apo import words
from apo.budget import Budget, Spend
from apo.history import History
from tui.format import bar
from tui.theme import ink

WARN, ALARM = 0.8, 0.95
"""Used shares from which a bar turns to a warning and to an alarm; the alarm is marked by `!` too."""


def limits(budget: Budget, spend: Spend, seconds: float) -> list[tuple[str, float, str]]:
    """Each limit that is set: its name, the share used, and used of limit in words."""
    pairs = (
        ("calls", spend.calls, budget.calls),
        ("prompt tok", spend.prompt_tokens, budget.prompt_tokens),
        ("completion tok", spend.completion_tokens, budget.completion_tokens),
    )
    found = [
        (name, used / limit, f"{words.count(used)}/{words.count(limit)}")
        for name, used, limit in pairs
        if limit is not None
    ]
    if budget.seconds is not None:
        told = f"{words.duration(seconds)}/{words.duration(budget.seconds)}"
        found.append(("time", seconds / budget.seconds, told))
    return found


def budget_line(app: App[object], history: History, seconds: float, width: int, going_on: bool) -> Text:
    """The bars, made to fit `width` columns; the time left only while the run is going on."""
    shown = limits(history.budget, history.total, seconds)
    left = words.time_left(history, history.budget) if going_on else None
    rest = f"about {words.duration(left)} left" if left is not None else ""
    used = sum(len(name) + len(told) + 6 for name, _, told in shown) + len(rest)
    each = max(3, min(18, (width - used) // max(1, len(shown))))
    line = Text(" ", no_wrap=True, overflow="ellipsis")
    for name, share, told in shown:
        colour = "error" if share >= ALARM else "warning" if share >= WARN else "primary"
        full, empty = bar(share, each)
        line.append(f"{name} ").append(full, ink(app, colour)).append(empty, ink(app, "muted"))
        line.append(f" {told}{'!' if share >= ALARM and going_on else ''}   ", Style(bold=share >= WARN))
    return line.append(rest, ink(app, "muted"))
