"""What a report is made of; how it looks is left to those who draw it.

All texts are as they came from models and data: whoever draws them makes them harmless.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from apo.words import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from apo.reporting.canvas import Palette

MOST, MOST_IN_CELL = 20_000, 600
"""Characters of one text that are shown, and of one cell of a table."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A passage of plain text."""

    kind: ClassVar = "paragraph"
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain text; the first cell of a row names it."""

    kind: ClassVar = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Tiles:
    """The few figures that matter most: label, value and a note to each."""

    kind: ClassVar = "tiles"
    items: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A text whose spaces and line ends count."""

    kind: ClassVar = "verbatim"
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture, and the same in words for those who do not see it."""

    kind: ClassVar = "plot"
    name: str
    """Of its file, without the ending."""
    words: str
    draw: "Callable[[Figure, Palette], None]"
    height: float = 3.6
    """In inches; all plots are as wide."""

    @property
    def alternative(self) -> str:
        """The words, harmless and of some length only."""
        return printable(short(self.words, 2_000))


Part = Paragraph | Table | Tiles | Verbatim | Plot


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it."""

    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report; the first section is the summary and needs no heading."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]

    @property
    def plots(self) -> tuple[Plot, ...]:
        """All pictures in it."""
        return tuple(p for s in self.sections for p in s.parts if isinstance(p, Plot))


def short(text: str, most: int = MOST) -> str:
    """A text, with what is beyond `most` characters counted instead."""
    return text if len(text) <= most else f"{text[:most]}… and {len(text) - most:,} more characters"
