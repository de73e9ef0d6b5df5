"""What the leaderboard shows: the rows of a board in the order and of the kind that a person chose."""

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class Shown:
    """The rows that are shown, and how many there are."""

    lines: tuple[Line, ...] = ()
    candidates: int = 0
    matching: int = 0
    """Candidates that the filter lets through; all without one."""
    by: Order = "lower bound"


def shown(watched: Watched, by: Order, wanted: str) -> Shown:
    """The first rows in an order, of candidates that hold the wanted text."""
    history, board = watched.history, watched.board
    order = board.order(by)
    ranks = {c: place for place, c in enumerate(board.order(), 1)}
    kept = [c for c in order if matches(watched, c, wanted)] if wanted else order
    best = history.best()
    leader = best.id if best is not None else next(iter(ranks), "")
    lines = []
    for row in board.rows(kept[:MOST]):
        own = row.candidate.id
        known = row.score.n > 0
        # Failures are marked where no more important mark stands.
        mark = {"": "!"} if row.failures and row.status in ("full", "running") else {}
        cell = {**cells(history, row), "#": str(ranks[own]) if known else "–", **mark}
        tied = known and row.status != "pruned" and board.tied(own, leader)
        lines.append(Line(own, tuple(cell[name] for name, _ in COLUMNS), row.status, tied))
    return Shown(tuple(lines), len(order), len(kept), by)


def matches(watched: Watched, candidate: str, wanted: str) -> bool:
    """Whether id, origin or text of a candidate hold the wanted text, whatever the case."""
    one = watched.history.candidates[candidate]
    parts: Sequence[str] = (one.id, one.origin, one.prompt.instruction)
    exemplars = (text for e in one.prompt.exemplars for text in (e.input, e.output))
    return any(wanted.casefold() in text.casefold() for text in (*parts, *exemplars))
