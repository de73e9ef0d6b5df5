"""One candidate in words: the prompt as the model receives it, its errors, its lineage."""

from collections import Counter
from dataclasses import replace

from rich.style import Style
from rich.text import Text

from apo import words
from apo.candidate import Candidate
from apo.history import History
from apo.leaderboard import Board
from apo.prompt import PLACEHOLDER, Rendered, render
from tui.format import body, line

HEAD = Style(bold=True)
QUIET = Style(italic=True)


def prompt_text(candidate: Candidate, folded: bool) -> Text:
    """The messages that the model receives; with `folded`, exemplars are one line each."""
    prompt, text = candidate.prompt, Text()
    if note := words.nearest(prompt):
        text.append(f"{note}\n", QUIET)
    if not folded or not prompt.exemplars:
        return text.append_text(_messages(render(prompt, PLACEHOLDER)))
    text.append_text(_messages(render(replace(prompt, exemplars=()), PLACEHOLDER)))
    unfolds = "exactly as sent" if prompt.nearest is None else "the whole pool"
    text.append(f"\n── {len(prompt.exemplars)} exemplars, folded (o unfolds: {unfolds})\n", HEAD)
    for number, e in enumerate(prompt.exemplars, 1):
        text.append(f"{number:2d} {line(e.input, 90)} → {line(e.output, 40)}\n")
    return text


def _messages(rendered: Rendered) -> Text:
    if isinstance(rendered, str):
        return Text("── plain completion\n", HEAD).append_text(body(rendered)).append("\n")
    text = Text()
    for message in rendered:
        text.append(f"── {message.role}\n", HEAD).append_text(body(message.content)).append("\n")
    return text


def errors_text(history: History, candidate: str) -> Text:
    """Requests that failed, by message; empty without one."""
    failures = [e for e in history.evaluations(candidate).values() if e.failure is not None]
    counted = Counter((e.failure.kind, e.failure.message) for e in failures if e.failure is not None)
    text = Text()
    for (kind, message), times in counted.most_common(5):
        text.append(f"! {times} × {kind}: {line(message, 160)}\n", HEAD)
    return text


def lineage_text(history: History, board: Board, candidate: Candidate) -> Text:
    """Ancestors with their scores, children, and what led here."""
    text = Text("Ancestors\n", HEAD)
    for depth, one in enumerate(ancestors(history, candidate)):
        side = f", {one.side}" if one.side else ""
        text.append(f"{'  ' * min(depth, 8)}{one.id} ({line(one.origin, 30)}{side}) ")
        text.append(f"{words.percent(board.score(one.id))}\n")
    children = [c for c in history.candidates.values() if candidate.id in c.parents]
    text.append(f"\nChildren: {len(children)}\n", HEAD)
    for child in children[:20]:
        text.append(f"{child.id} ({line(child.origin, 30)}) {words.percent(board.score(child.id))}\n")
    if candidate.id in history.pruned:
        text.append(f"\nDropped: {line(history.pruned[candidate.id], 160)}\n", HEAD)
    if (expected := history.predictions.get(candidate.id)) is not None:
        told = words.expected(expected)
        text.append(f"\nWhen proposed {told}; measured {words.percent(board.score(candidate.id))}\n", HEAD)
    if candidate.note:
        text.append("\nWhat led here\n", HEAD).append_text(body(candidate.note)).append("\n")
    return text


def ancestors(history: History, candidate: Candidate) -> list[Candidate]:
    """The candidate and its ancestors, youngest first, each once."""
    line: dict[str, Candidate] = {}
    waiting = [candidate.id]
    while waiting:
        one = history.candidates.get(waiting.pop(0))
        if one is not None and one.id not in line:
            line[one.id] = one
            waiting += one.parents
    return list(line.values())
