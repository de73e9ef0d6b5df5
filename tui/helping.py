"""The help text: what the focused widget shows, its keys, and those of the screen."""

from typing import Any

from rich.style import Style
from rich.text import Text
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen

HEAD = Style(bold=True)
NAMES = {"question_mark": "?", "slash": "/", "escape": "esc"}


def help_text(screen: Screen[Any]) -> Text:
    """A paragraph on the focused widget, then all keys that work now."""
    text = Text()
    focused = screen.focused
    paragraph = getattr(focused, "HELP", "") or getattr(screen, "HELP", "")
    if paragraph:
        text.append(f"{paragraph}\n\n")
    for heading, node in (("Keys here", focused), ("Keys everywhere", screen)):
        if node is not None:
            text.append(f"{heading}\n", HEAD).append_text(_keys(node, screen)).append("\n")
    text.append("t other theme · tab next region · arrows, j k g G move · the mouse works too\n")
    return text.append("Leaving this screen never stops the search.")


def _keys(node: DOMNode, screen: Screen[Any]) -> Text:
    text = Text()
    for _, binding in node._bindings:
        if isinstance(binding, Binding) and binding.description and _works(screen, binding):
            key = binding.key_display or NAMES.get(binding.key, binding.key)
            text.append(f"  {key:<12}{binding.description}\n")
    return text


def _works(screen: Screen[Any], binding: Binding) -> bool:
    name = binding.action.partition("(")[0]
    return bool(screen.check_action(name, ()))
