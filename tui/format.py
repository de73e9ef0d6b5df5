"""Texts and numbers for the screen. Text of models and data is never markup and never steers a terminal."""

import math

from rich.text import Text

from apo.words import printable

MOST = 20_000
"""Characters of one text that are shown."""


def line(text: str, most: int = 200) -> str:
    """A text as one line of at most so many characters."""
    clipped = text[: 4 * most + 1]
    flat = " ".join(printable(clipped).split())
    return flat if len(flat) <= most and len(clipped) == len(text) else flat[: most - 1] + "…"


def body(text: str, most: int = MOST) -> Text:
    """A text as it is, with what is beyond `most` characters counted instead."""
    shown = Text(printable(text[:most]).expandtabs(4))
    if len(text) > most:
        shown.append(f"\n… and {len(text) - most:,} more characters", "italic")
    return shown


def clock(seconds: float) -> str:
    """`00:12:41`."""
    whole = max(0, math.floor(seconds))
    return f"{whole // 3600:02d}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def bar(share: float, width: int) -> tuple[str, str]:
    """The filled and the empty part of a bar."""
    full = min(width, max(0, round(share * width)))
    return "━" * full, "╌" * (width - full)
