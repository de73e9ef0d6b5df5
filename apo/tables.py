"""Tables for people, on stdout: leaderboard, runs, tasks."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from apo import words
from apo.cells import cells
from apo.headroom import headroom
from apo.history import History
from apo.leaderboard import Board
from apo.prompt import PLACEHOLDER, Prompt, render
from apo.words import printable

COLUMNS = ("", "#", "id", "dev", "95 % CI", "n", "Δ seed", "by", "k", "layout", "tok", "!")


def show(columns: Sequence[str], rows: Iterable[Sequence[str]], *, wrap: bool = True) -> None:
    """Print one table of plain text; without `wrap`, cells keep their width on any terminal."""
    table = Table(box=None, pad_edge=False, padding=(0, 1 if not wrap else 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=not wrap or number == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(highlight=False)
    console.print(table, width=None if wrap else max(console.width, 80), crop=False)


def prompt(shown: Prompt) -> None:
    """Print a prompt as the model receives it; of one that shows the nearest, with its whole pool."""
    rendered = render(shown, PLACEHOLDER)
    if note := words.nearest(shown):
        print(f"{note}\n")
    if isinstance(rendered, str):
        print(printable(rendered))
        return
    for message in rendered:
        print(f"── {message.role}\n{printable(message.content)}")


def leaderboard(history: History, most: int = 15) -> None:
    """Print the board and what the sealed test says."""
    board = Board(history)
    order = board.order()
    rows = [_board_row(place, cells(history, row)) for place, row in enumerate(board.rows(order[:most]), 1)]
    show(COLUMNS, rows, wrap=False)
    if len(order) > most:
        print(f"… and {len(order) - most} more; all: apo show --all")
    _verdict(history)


def _board_row(place: int, cell: dict[str, str]) -> list[str]:
    shown = {**cell, "#": str(place) if cell["n"] != "0" else "–"}
    return [shown[column] for column in COLUMNS]


def _verdict(history: History) -> None:
    tested, luck = history.tested, words.luck(history)
    if luck is not None:
        print(luck)
    if tested is None:
        return
    print(f"Sealed test: seed   {words.percent(tested.seed)}")
    print(f"             winner {words.percent(tested.score)}")
    print(words.verdict(history))
    if tested.difference.low <= 0:
        arms = [(arm.name, arm.candidate, words.percent(arm.dev)) for arm in headroom(history)]
        show(("what there was to gain", "id", "dev"), arms)
