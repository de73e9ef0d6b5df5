"""A leaderboard's cells as text, the same on every screen and in printed tables."""

from apo.history import History
from apo.leaderboard import Row
from apo.prompt import Layout

MARKS = {"best": "★", "running": "▸", "queued": "·", "pruned": "×", "full": " "}
"""Single-width signs; no meaning rests on colour."""


def cells(history: History, row: Row) -> dict[str, str]:
    """A row's cells by column, without its place."""
    candidate, score = row.candidate, row.score
    known = score.n > 0
    return {
        "": MARKS[row.status],
        "id": candidate.id,
        "dev": share(score.mean) if known else "–",
        "95 % CI": f"{share(score.low)}–{share(score.high)}" if known else "",
        "n": str(score.n),
        "Δ seed": f"{row.difference.mean:+.3f}" if row.difference.n else "",
        "rows": rung(history, candidate.id),
        "by": candidate.origin,
        "k": str(len(candidate.prompt.longest)),
        "layout": layout(candidate.prompt.layout),
        "tok": f"{row.tokens:.0f}" if known else "",
        "!": str(row.failures) if row.failures else "",
    }


def rung(history: History, candidate: str) -> str:
    """How far a candidate's evaluation goes: `full`, the rows it was promoted to, or nothing."""
    if history.is_full(candidate):
        return "full"
    rows = history.promoted.get(candidate)
    return "" if rows is None else str(rows)


def share(value: float) -> str:
    """`.845`, or `1` and `0`: short enough for a row of 80 columns."""
    return f"{value:.3f}".lstrip("0").replace("1.000", "1").replace(".000", "0")


def layout(layout: Layout) -> str:
    """The form, with ↑ where the instruction opens the first user turn, ↓ where it is next to the input."""
    chat = layout.form in ("turns", "fields")
    mark = {"system": "", "first": "↑" if chat else "", "last": "↓"}[layout.place]
    return f"{layout.form}{mark}"
