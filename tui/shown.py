"""What the leaderboard shows: the rows of a board in the order and of the kind that a person chose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apo.cells import cells
from apo.leaderboard import Order, Status
from tui.watched import Watched

MOST = 200
"""Rows that are shown at once; what is beyond them is counted."""
COLUMNS = (
    ("", 2),
    ("#", 5),
    ("id", 6),
    ("dev", 5),
    ("95 % CI", 10),
    ("n", 5),
    ("Δ seed", 7),
    ("rows", 5),
    ("by", 14),
    ("k", 3),
    ("tok", 6),
    ("!", 4),
)
"""Columns with their widths, which never change, so that nothing jumps."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the board as it is shown."""

    id: str
    cells: tuple[str, ...]
    status: Status
    tied: bool
    """A paired test cannot tell it from the leader."""


def _nothing(candidate: str) -> Line:
    raise KeyError(candidate)


@dataclass(frozen=True, slots=True)
class Shown:
    """The rows that are shown, and how many there are."""

    ids: tuple[str, ...] = ()
    line: Callable[[str], Line] = _nothing
    """A candidate's row; only those that are seen are asked for, since comparing takes time."""
    candidates: int = 0
    matching: int = 0
    """Candidates that the filter lets through; all without one."""
    by: Order = "lower bound"


def shown(watched: Watched, by: Order, wanted: str) -> Shown:
    """The first rows in an order, of candidates that hold the wanted text."""
    history, board = watched.history, watched.board
    order, ranked = board.order(by), board.order()
    kept = [c for c in order if matches(watched, c, wanted)] if wanted else order
    ranks = {c: place for place, c in enumerate(ranked, 1)}
    best = history.best()
    leader = best.id if best is not None else ranked[0] if ranked else ""

    def line(candidate: str) -> Line:
        (row,) = board.rows([candidate])
        known = row.score.n > 0
        # Failures are marked where no more important mark stands.
        mark = {"": "!"} if row.failures and row.status in ("full", "running") else {}
        cell = {**cells(history, row), "#": str(ranks[candidate]) if known else "–", **mark}
        tied = known and row.status != "pruned" and board.tied(candidate, leader)
        return Line(candidate, tuple(cell[name] for name, _ in COLUMNS), row.status, tied)

    return Shown(tuple(kept[:MOST]), line, len(order), len(kept), by)


def matches(watched: Watched, candidate: str, wanted: str) -> bool:
    """Whether id, origin or text of a candidate hold the wanted text, whatever the case."""
    one = watched.history.candidates[candidate]
    parts: Sequence[str] = (one.id, one.origin, one.prompt.instruction)
    exemplars = (text for e in one.prompt.exemplars for text in (e.input, e.output))
    return any(wanted.casefold() in text.casefold() for text in (*parts, *exemplars))
