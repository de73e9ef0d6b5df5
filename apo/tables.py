"""Tables for people, on stdout: leaderboard, runs, tasks."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from apo import words
from apo.history import History
from apo.leaderboard import Row, rank
from apo.prompt import Rendered
from apo.words import printable

MARKS = {"best": "★", "running": "▸", "queued": "·", "pruned": "×", "full": " "}
"""Single-width signs; no meaning rests on colour."""


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print one table; the first column keeps its width, every cell is plain text."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(highlight=False).print(table)


def prompt(rendered: Rendered) -> None:
    """Print a prompt as the model receives it."""
    if isinstance(rendered, str):
        print(printable(rendered))
        return
    for message in rendered:
        print(f"── {message.role}\n{printable(message.content)}")


def leaderboard(history: History, most: int = 15) -> None:
    """Print the board and what the sealed test says."""
    board = rank(history)
    columns = ("", "#", "id", "dev", "95 % CI", "n", "Δ seed", "by", "k", "layout", "tokens", "!")
    rows = [_board_row(place, row) for place, row in enumerate(board[:most], 1)]
    show("", columns, rows)
    if len(board) > most:
        print(f"… and {len(board) - most} more; all: apo show --all")
    _verdict(history)


def _board_row(place: int, row: Row) -> list[str]:
    candidate, score = row.candidate, row.score
    known = score.n > 0
    layout = candidate.prompt.layout
    place_of_instruction = "" if layout.form in ("flat", "completion") or layout.system else "−sys"
    return [
        MARKS[row.status],
        str(place) if known else "–",
        candidate.id,
        f"{score.mean:.3f}" if known else "–",
        f"{score.low:.3f}–{score.high:.3f}" if known else "",
        str(score.n),
        f"{row.difference.mean:+.3f}" if row.difference.n else "",
        candidate.origin,
        str(len(candidate.prompt.exemplars)),
        layout.form + place_of_instruction,
        f"{row.tokens:.0f}" if known else "",
        str(row.failures) if row.failures else "",
    ]


def _verdict(history: History) -> None:
    tested = history.tested
    print("Scores are on dev rows, so the best one's is optimistic: it was picked among all.")
    if tested is not None:
        print(f"Sealed test: seed   {words.percent(tested.seed)}")
        print(f"             winner {words.percent(tested.score)}")
        print(words.verdict(history))
