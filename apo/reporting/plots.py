"""The plots of a report: scores against calls, gains, components, rungs, and predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo.calibration import Calibration
from apo.reporting.canvas import HATCHES, MARKERS, Palette, label, tidy
from apo.reporting.contributions import Contribution, Rise, side_name
from apo.reporting.fates import Rung
from apo.statistics import Interval, Z

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Curve:
    """The best score against calls, and what it is worth at the end."""

    best: tuple[tuple[int, Interval], ...]
    """From so many calls on; by calls."""
    dots: tuple[tuple[int, float, str], ...]
    """Calls, dev mean and side of every candidate that has a score."""
    calls: int
    """Of the search so far."""
    ends: tuple[tuple[str, Interval], ...]
    """Other scores of the best prompt, and of the seed."""


def best_score(curve: Curve, figure: "Figure", palette: Palette) -> None:
    """A step line with its interval, a mark for each candidate, and beside it the scores at the end."""
    ratios = (4.5, 0.4 + 0.5 * len(curve.ends))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=ratios)
    for side in sorted({side for _, _, side in curve.dots}):
        at = [(calls, 100 * mean) for calls, mean, one in curve.dots if one == side]
        left.scatter(
            *zip(*at, strict=True), s=20, alpha=0.75, marker=MARKERS.get(side, "D"),
            color=palette.side(side), linewidths=0, clip_on=False, zorder=3, label=side,
        )  # fmt: skip
    if curve.best:
        _steps(left, curve, palette)
    seen = [m for _, m, _ in curve.dots] + [i.high for _, i in (*curve.best, *curve.ends)]
    most = max(seen, default=1.0)
    left.set(xlabel="calls of models", ylabel="score, %", ylim=(0, 100 * min(1.02, 1.12 * most + 0.01)))
    left.set_xlim(0, 1.03 * max(curve.calls, 1))
    left.set_title("best score on dev so far", fontsize=10, loc="left")
    right.set_title("what it is worth", fontsize=10, loc="left")
    for place, (name, score) in enumerate(curve.ends):
        _whisker(right, place, score, palette.faint if "seed" in name else palette.ink)
    right.set_xticks(
        range(len(curve.ends)), [name.replace(", ", "\n") for name, _ in curve.ends], fontsize=8.5
    )
    right.set_xlim(-0.5, len(curve.ends) - 0.3)
    figure.legend(loc="outside upper left", ncols=7, fontsize=9, handletextpad=0.3, columnspacing=1.4)
    for axes in (left, right):
        tidy(axes, palette)


def _steps(axes: "Axes", curve: Curve, palette: Palette) -> None:
    """The best so far: its line up to the last call, and its interval as a band."""
    calls = [at for at, _ in curve.best] + [max(1.02 * curve.calls, curve.best[-1][0])]
    found = [score for _, score in curve.best] + [curve.best[-1][1]]
    means, low, high = (
        [100 * end for end in ends] for ends in zip(*((s.mean, s.low, s.high) for s in found), strict=True)
    )
    axes.step(calls, means, where="post", color=palette.ink, linewidth=1.8, label="best, every dev row met")
    axes.fill_between(
        calls, low, high, step="post", color=palette.ink, alpha=0.12, linewidth=0, label="its 95 % interval"
    )


def _whisker(axes: "Axes", place: float, score: Interval, colour: str) -> None:
    """A score with its interval, and the score in figures."""
    low, mean, high = 100 * score.low, 100 * score.mean, 100 * score.high
    axes.vlines(place, low, high, color=colour, linewidth=1.6)
    axes.plot([place], [mean], marker="o", color=colour, markersize=6)
    axes.annotate(f"{mean:.1f}", (place, mean), (6, 0), textcoords="offset points", va="center", fontsize=9)


def gains(rises: Sequence[Rise], figure: "Figure", palette: Palette) -> None:
    """Each step that raised the best score, as a bar from the score before to the score after."""
    axes = figure.subplots()
    for place, rise in enumerate(rises):
        side = side_name(rise.step.side, rise.step.number == 0)
        low, gain = 100 * rise.before, 100 * (rise.after - rise.before)
        axes.barh(place, gain, left=low, color=palette.side(side), hatch=HATCHES.get(side), height=0.66)
        axes.annotate(
            f"+{gain:.1f}", (low + gain, place), (4, 0), textcoords="offset points", va="center", fontsize=9
        )
    names = [f"step {rise.step.number}: {label(rise.step.component)}" for rise in rises]
    axes.set_yticks(range(len(rises)), names)
    axes.invert_yaxis()
    axes.set_xlabel("best dev score with every row met, %")
    axes.margins(x=0.12)
    tidy(axes, palette, "x")


def parts(contributions: Sequence[Contribution], figure: "Figure", palette: Palette) -> None:
    """Gain and calls of each component, side by side."""
    left, right = figure.subplots(1, 2, sharey=True)
    for place, part in enumerate(contributions):
        colour, hatch = palette.side(part.side), HATCHES.get(part.side)
        left.barh(place, 100 * part.gain, color=colour, hatch=hatch, height=0.66)
        right.barh(place, part.calls, color=colour, hatch=hatch, height=0.66)
        for axes, text, at in (
            (left, f"{100 * part.gain:.1f}", 100 * part.gain),
            (right, f"{part.calls}", part.calls),
        ):
            axes.annotate(text, (at, place), (4, 0), textcoords="offset points", va="center", fontsize=9)
    left.set_yticks(range(len(contributions)), [label(part.component) for part in contributions])
    left.invert_yaxis()
    left.set_xlabel("gain, points of dev score")
    right.set_xlabel("calls")
    for axes in (left, right):
        axes.margins(x=0.15)
        tidy(axes, palette, "x")


def survivors(rungs: Sequence[Rung], figure: "Figure", palette: Palette) -> None:
    """How many candidates came to each rung, by the side that they moved."""
    axes = figure.subplots()
    bottom = [0] * len(rungs)
    for side in dict.fromkeys(side for rung in rungs for side in rung.reached):
        heights = [rung.reached.get(side, 0) for rung in rungs]
        axes.bar(
            range(len(rungs)), heights, bottom=bottom, label=side, width=0.6,
            color=palette.side(side), hatch=HATCHES.get(side),
        )  # fmt: skip
        bottom = [b + h for b, h in zip(bottom, heights, strict=True)]
    for place, total in enumerate(bottom):
        axes.annotate(str(total), (place, total), (0, 3), textcoords="offset points", ha="center", fontsize=9)
    names = [f"{100 * rung.share:.0f} % ({rung.rows})" if rung.rows else "all candidates" for rung in rungs]
    axes.set_xticks(range(len(rungs)), names)
    axes.set(xlabel="at least so many of the dev rows met", ylabel="candidates")
    axes.margins(y=0.12)
    axes.legend(loc="upper right", fontsize=9)
    tidy(axes, palette)


def predictions(found: Calibration, figure: "Figure", palette: Palette) -> None:
    """Measured against predicted scores; whiskers are the surrogate's 95 % intervals."""
    axes = figure.subplots()
    axes.axline((0, 0), slope=1, color=palette.faint, linestyle="--", linewidth=1, label="as predicted")
    for inside, marker, colour, name in (
        (True, "o", palette.accent, "measured within the 95 % interval"),
        (False, "X", palette.side("exemplars"), "outside"),
    ):
        those = [p for p in found.pairs if p.inside == inside]
        if those:
            axes.errorbar(
                [100 * p.predicted.mean for p in those],
                [100 * p.measured for p in those],
                xerr=[100 * Z * p.deviation for p in those],
                fmt=marker, color=colour, ecolor=f"{colour}50", markersize=5, elinewidth=1, label=name,
            )  # fmt: skip
    most = 110 * max(max(p.predicted.mean, p.measured) for p in found.pairs) + 2
    limits = (-2, min(102, most))
    axes.set(xlabel="predicted dev score, %", ylabel="measured, %", xlim=limits, ylim=limits)
    figure.legend(loc="outside upper left", ncols=3, fontsize=9)
    tidy(axes, palette, "both")
