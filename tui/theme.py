"""One dark and one light theme; their colours stay apart for colour-blind eyes (after Okabe and Ito)."""

from rich.style import Style
from textual.app import App
from textual.theme import Theme

DARK = Theme(
    name="apo-dark",
    primary="#56B4E9",
    secondary="#9AA5B1",
    accent="#E69F00",
    success="#3CC8A0",
    warning="#F0E442",
    error="#FF7F50",
    foreground="#E4E7EB",
    background="#14171A",
    surface="#191D21",
    panel="#262B31",
    dark=True,
)
LIGHT = Theme(
    name="apo-light",
    primary="#005B8F",
    secondary="#52606D",
    accent="#9A5B00",
    success="#00684A",
    warning="#7A6000",
    error="#A8320A",
    foreground="#1F2933",
    background="#FFFFFF",
    surface="#F7F8FA",
    panel="#E4E7EB",
    dark=False,
)


def ink(app: App[object], name: str, bold: bool | None = None) -> Style:
    """The style of a theme colour (`success`, `warning`, `error`, `accent`, `muted`) for a Text."""
    variables = app.theme_variables
    color = variables["secondary" if name == "muted" else name]
    return Style(color=color[:7] if color.startswith("#") else None, bold=bold)
