"""A report as Markdown; pictures are left out, since tables say the same."""

from collections.abc import Iterable, Sequence

from apo.reporting.document import (
    MOST_IN_CELL,
    Document,
    Paragraph,
    Part,
    Plot,
    Table,
    Tiles,
    Verbatim,
    short,
)
from apo.words import printable


def markdown(document: Document) -> str:
    """The whole report; texts of models and data stay in their cells, paragraphs and fences."""
    blocks = [f"# {_line(document.title)}", _line(document.subtitle)]
    for number, section in enumerate(document.sections):
        if number > 0:
            blocks.append(f"## {section.title}")
        blocks += [block for part in section.parts for block in _blocks(part)]
    return "\n\n".join(blocks) + "\n"


def _blocks(part: Part) -> list[str]:
    match part:
        case Paragraph(text=text):
            return [_line(text)]
        case Table(caption=caption, columns=columns, rows=rows):
            return [f"{_line(caption)}:", _table(columns, rows)]
        case Tiles(items=items):
            return ["\n".join(f"- {_line(label)}: **{value}** ({note})" for label, value, note in items)]
        case Verbatim(text=text):
            return [_fenced(short(text))]
        case Plot():
            return []


def _line(text: str) -> str:
    return " ".join(printable(text).split())


def _fenced(text: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in _ticks(text)), default=0))
    return f"{fence}text\n{printable(text)}\n{fence}"


def _ticks(text: str) -> list[str]:
    """The runs of backticks in a text, which a fence must be longer than."""
    return "".join(c if c == "`" else " " for c in text).split()


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = (printable(short(cell, MOST_IN_CELL)).replace("|", "\\|").replace("\n", " ") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
