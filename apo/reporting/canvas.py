"""Pictures as PNG files: all that is set for every plot alike, in a light and a dark version."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apo.reporting.document import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, DPI = 8.0, 150
"""Inches, and dots in one: 1,200 dots wide, sharp on dense screens and on paper."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one version; those of sides can be told apart by the colour-blind (Okabe & Ito 2008)."""

    paper: str
    ink: str
    faint: str
    accent: str
    sides: Mapping[str, str] = field(default_factory=dict)

    def side(self, name: str) -> str:
        """The colour of a side of the prompt, or of what is none."""
        return self.sides.get(name, self.faint)


LIGHT = Palette(
    "#ffffff", "#1d2733", "#8a94a0", "#0072b2",
    {"instruction": "#0072b2", "exemplars": "#d55e00", "layout": "#009e73"},
)  # fmt: skip
DARK = Palette(
    "#161b22", "#e6edf3", "#8b949e", "#56b4e9",
    {"instruction": "#56b4e9", "exemplars": "#e69f00", "layout": "#2fc596"},
)  # fmt: skip
MARKERS = {"instruction": "o", "exemplars": "^", "layout": "s"}
HATCHES = {"instruction": "", "exemplars": "//", "layout": ".."}
"""What tells sides apart without colours."""


def png(plot: Plot, palette: Palette) -> bytes:
    """The picture as a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.style import context

    settings: dict[str, Any] = {
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), palette.ink),
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), palette.paper),
        "axes.edgecolor": palette.faint,
        "hatch.color": palette.paper,
        "hatch.linewidth": 0.7,
        "legend.frameon": False,
        "font.size": 10,
        # A dollar in a text is a dollar.
        "text.parse_math": False,
    }
    # After a reset: a user's own settings are for his plots.
    with context(settings, after_reset=True):
        figure = Figure(figsize=(WIDTH, plot.height), layout="constrained")
        FigureCanvasAgg(figure)
        plot.draw(figure, palette)
        file = io.BytesIO()
        figure.savefig(
            file, format="png", dpi=DPI, metadata={"Software": None, "Description": plot.alternative}
        )
    return file.getvalue()


def tidy(axes: "Axes", palette: Palette, grid: str = "y") -> None:
    """No frame, and faint lines across."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color=palette.faint, alpha=0.25, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def label(text: str, most: int = 34) -> str:
    """A text that every font has, short enough for an axis."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in text[: most + 1])
    return plain if len(plain) <= most else f"{plain[: most - 2]}.."
