"""Differences between two prompts, word by word."""

import difflib
import re
from collections.abc import Iterator

from rich.style import Style
from rich.text import Text

from apo import words
from apo.prompt import Prompt
from apo.words import printable
from tui.format import line

MOST_WORDS = 2000
"""Words of a text that are compared; comparing takes time that grows with their square."""
WORD = re.compile(r"\s+|\w+|[^\w\s]")


def prompt_diff(old: Prompt, new: Prompt, gone: Style, come: Style) -> Text:
    """What became of a prompt: `[-removed-]` and `{+added+}` words, then exemplars and layout."""
    text = Text("Instruction\n", Style(bold=True))
    text.append_text(text_diff(old.instruction, new.instruction, gone, come)).append("\n")
    removed = [e for e in old.exemplars if e not in new.exemplars]
    added = [e for e in new.exemplars if e not in old.exemplars]
    kept = len(new.exemplars) - len(added)
    text.append(f"\nExemplars: {kept} kept, {len(removed)} removed, {len(added)} added", Style(bold=True))
    if not removed and not added and old.exemplars != new.exemplars:
        text.append(", in another order")
    text.append("\n")
    if old.nearest != new.nearest:
        text.append(f"Shown: {words.exemplars(old)} before, {words.exemplars(new)} now\n", Style(bold=True))
    for sign, style, those in (("−", gone, removed), ("+", come, added)):
        for e in those:
            text.append(f"{sign} {line(e.input, 120)} → {line(e.output, 60)}\n", style)
    if old.layout != new.layout:
        text.append("\nLayout\n", Style(bold=True))
        text.append(f"− {old.layout}\n", gone).append(f"+ {new.layout}\n", come)
    return text


def text_diff(old: str, new: str, gone: Style, come: Style) -> Text:
    """One text's change into another, word by word."""
    text = Text()
    if old == new:
        return text.append(printable(old[:4000])).append("\n(unchanged)", Style(italic=True))
    ours, theirs = _words(old), _words(new)
    for tag, a, b, c, d in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag == "equal":
            text.append(printable("".join(ours[a:b])))
            continue
        if b > a:
            text.append(printable(f"[-{''.join(ours[a:b])}-]"), gone)
        if d > c:
            text.append(printable(f"{{+{''.join(theirs[c:d])}+}}"), come)
    if len(ours) == MOST_WORDS or len(theirs) == MOST_WORDS:
        text.append(f"\n… only the first {MOST_WORDS} words are compared", Style(italic=True))
    return text


def _words(text: str) -> list[str]:
    return list(_first(WORD.finditer(text)))


def _first(found: Iterator[re.Match[str]]) -> Iterator[str]:
    for match, _ in zip(found, range(MOST_WORDS), strict=False):
        yield match.group()
