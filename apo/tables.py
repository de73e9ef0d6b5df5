"""Tables for people, on stdout: leaderboard, runs, tasks."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from apo import words
from apo.headroom import headroom
from apo.history import History
from apo.leaderboard import Row, rank
from apo.prompt import Layout, Rendered
from apo.words import printable

MARKS = {"best": "★", "running": "▸", "queued": "·", "pruned": "×", "full": " "}
"""Single-width signs; no meaning rests on colour."""


def show(columns: Sequence[str], rows: Iterable[Sequence[str]], *, wrap: bool = True) -> None:
    """Print one table of plain text; without `wrap`, cells keep their width on any terminal."""
    table = Table(box=None, pad_edge=False, padding=(0, 1 if not wrap else 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=not wrap or number == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(highlight=False)
    console.print(table, width=None if wrap else max(console.width, 80), crop=False)


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
    columns = ("", "#", "id", "dev", "95 % CI", "n", "Δ seed", "by", "k", "layout", "tok", "!")
    rows = [_board_row(place, row) for place, row in enumerate(board[:most], 1)]
    show(columns, rows, wrap=False)
    if len(board) > most:
        print(f"… and {len(board) - most} more; all: apo show --all")
    _verdict(history)


def _board_row(place: int, row: Row) -> list[str]:
    candidate, score = row.candidate, row.score
    known = score.n > 0
    return [
        MARKS[row.status],
        str(place) if known else "–",
        candidate.id,
        _share(score.mean) if known else "–",
        f"{_share(score.low)}–{_share(score.high)}" if known else "",
        str(score.n),
        f"{row.difference.mean:+.3f}" if row.difference.n else "",
        candidate.origin,
        str(len(candidate.prompt.exemplars)),
        _layout(candidate.prompt.layout),
        f"{row.tokens:.0f}" if known else "",
        str(row.failures) if row.failures else "",
    ]


def _share(value: float) -> str:
    """`.845`, or `1` and `0`: short enough for a row of 80 columns."""
    return f"{value:.3f}".lstrip("0").replace("1.000", "1").replace(".000", "0")


def _layout(layout: Layout) -> str:
    """The form, with a mark where the instruction is not a system message though it could be."""
    chat = layout.form in ("turns", "fields")
    return f"{layout.form}−sys" if chat and not layout.system else layout.form


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
