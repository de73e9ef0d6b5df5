"""The plot of scores against calls; all that is known of the plotting library is in this file."""

from textual.color import Color
from textual_plotext import PlotextPlot

from tui.watched import Watched

DOTS = 600
"""Candidates that are drawn at most: the newest."""


class Plot(PlotextPlot, can_focus=True):
    """A step line of the best fully evaluated dev score, a dot for each candidate, calls on the x axis."""

    HELP = (
        "The line is the best dev score among candidates that met every dev row; each dot is a "
        "candidate's mean at the time of its last row. Dots above the line met fewer rows. Below, the "
        "points that each side of the prompt has brought."
    )

    def __init__(self) -> None:
        super().__init__(id="plot")
        self._drawn: object = None

    def show(self, watched: Watched) -> None:
        """Draw the points, unless they are drawn already."""
        history, trace = watched.history, watched.trace
        calls = history.total.calls
        limit = history.budget.calls if history.started is not None else None
        drawn = (calls, len(trace.best), limit, self.app.theme, len(history.steps))
        if drawn == self._drawn or not self.display:
            return
        self._drawn = drawn
        self.border_subtitle = gains_text(watched)
        plt = self.plt
        plt.clear_data()
        plt.clear_figure()
        newest = list(trace.seen.items())[-DOTS:]
        dots = [(at, history.mean(c)) for c, at in newest if history.scores(c)]
        if dots:
            plt.scatter(*map(list, zip(*dots, strict=True)), marker="•", color=self._rgb("secondary"))
        if trace.best:
            leads = [(lead.calls, lead.mean) for lead in trace.best]
            steps = [*leads, (calls, leads[-1][1])]
            xs, ys = [steps[0][0]], [steps[0][1]]
            for x, y in steps[1:]:
                xs += [x, x]
                ys += [ys[-1], y]
            plt.plot(xs, ys, marker="braille", color=self._rgb("success"))
        means = [*(y for _, y in dots), *(lead.mean for lead in trace.best)]
        if means:
            plt.ylim(max(0.0, min(means) - 0.05), min(1.0, max(means) + 0.05))
        plt.xlim(0, max(limit or calls, calls, 1))
        plt.xfrequency(5)
        plt.yfrequency(5)
        self.refresh()

    def _rgb(self, name: str) -> tuple[int, int, int]:
        return Color.parse(self.app.theme_variables[name]).rgb


def gains_text(watched: Watched) -> str:
    """Where the gain came from: points of dev score by side of the prompt."""
    parts = [f"{side} {100 * gain:+.1f}" for side, gain in watched.gains.items()]
    return "gain, points: " + " · ".join(parts)
