"""A report's sections on the search: gains, components, candidates' fate, exemplars, the surrogate."""

from functools import partial

from apo.calibration import Calibration, calibration
from apo.history import History
from apo.reporting import plots
from apo.reporting.contributions import Contribution, Rise, by_side, contributions, rises, side_name
from apo.reporting.document import Paragraph, Part, Plot, Section, Table, short
from apo.reporting.exemplars import LEAST, Value, values
from apo.reporting.fates import Rung, endings, rungs
from apo.reporting.judgements import judgements
from apo.words import percent

MOST_RISES = 20
"""Of the steps that raised the best score, the last so many are drawn."""
SHOWN_VALUES = 6
"""Of the most and of the least valuable exemplars."""
REGRET = (
    "Regret is how far dev scores lie below that of the run's best prompt, since nobody knows a better one: "
    "those of a step's judged candidates on average, and that of the best prompt after the step."
)
TEXT = 160
"""Characters of an exemplar in a table."""


def gains(history: History) -> Section:
    """Where the gain came from: step by step and side by side."""
    risen = rises(history)[-MOST_RISES:]
    rows = tuple(
        (
            str(step.number),
            side_name(step.side, step.number == 0),
            step.component,
            str(len(step.proposed or ())),
            str(step.discarded),
            f"{100 * step.gain:+.1f}" if step.finished else "…",
            str(step.calls),
        )
        for step in history.steps
    )
    sides = tuple(
        (side, f"{100 * gain:+.1f}", str(calls))
        for side, (gain, calls) in by_side(contributions(history)).items()
    )
    parts: list[Part] = []
    if risen:
        parts.append(
            Plot("gains", _rises(risen), partial(plots.gains, risen), height=1.0 + 0.36 * len(risen))
        )
    elif len(history.steps) > 1:
        parts.append(Paragraph("No step has raised the best score."))
    if rows:
        parts.append(Table("By side of the prompt", ("side", "gain (points)", "calls"), sides))
        columns = ("step", "side", "component", "candidates", "discarded", "gain (points)", "calls")
        parts.append(Table("By step", columns, rows))
    return Section("Steps: where the gain came from", tuple(parts))


def _rises(risen: tuple[Rise, ...]) -> str:
    told = [
        f"step {r.step.number} ({r.step.component}) from {100 * r.before:.1f} to {100 * r.after:.1f} %"
        for r in risen
    ]
    return f"What raised the best dev score: {'; '.join(told)}."


def components(history: History) -> Section:
    """What each proposer and selector brought, and what it cost."""
    found = contributions(history)
    rows = tuple(
        (
            part.component,
            part.side,
            str(part.made),
            str(part.proposed - part.made),
            str(part.dropped),
            str(part.kept),
            f"{100 * part.gain:+.1f}",
            f"{part.raised} of {part.turns}",
            str(part.calls),
            str(part.writing),
            "" if part.credit is None else f"{100_000 * part.credit:.1f}",
        )
        for part in found
    )
    if not rows:
        return Section("Components", ())
    columns = (
        "component", "side", "candidates", "discarded", "dropped", "every row met",
        "gain (points)", "turns with gain", "calls", "to propose", "credit",
    )  # fmt: skip
    parts: list[Part] = [
        Plot("components", _parts(found), partial(plots.parts, found), height=1.0 + 0.36 * len(found)),
        Table("What each component brought and cost", columns, rows),
        Paragraph(
            "Credit is in points per 1,000 calls, as the search counts it when it gives the next turn: "
            "recent turns weigh more, and a component without many is believed to earn a little."
        ),
    ]
    if history.discards:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(history.discards.items()))
        parts.append(Paragraph(f"Discarded proposals: {reasons}."))
    return Section("Components: what each brought and cost", tuple(parts))


def _parts(found: tuple[Contribution, ...]) -> str:
    told = [f"{p.component} {100 * p.gain:+.1f} points with {p.calls} calls" for p in found]
    return f"Gain and calls of each component: {'; '.join(told)}."


def fates(history: History) -> Section:
    """How far candidates came."""
    title = "Candidates: how far they came"
    if len(history.candidates) < 2:
        return Section(title, ())
    found, ended = rungs(history), endings(history)
    parts: list[Part] = [Plot("rungs", _rungs(found), partial(plots.survivors, found))]
    if ended:
        rows = tuple((str(e.rows), short(e.reason, 300), str(e.candidates)) for e in ended)
        parts.append(Table("Where and why candidates were dropped", ("rows met", "why", "candidates"), rows))
    return Section(title, tuple(parts))


def _rungs(found: tuple[Rung, ...]) -> str:
    told = [f"{r.total} at least {100 * r.share:.0f} % ({r.rows} rows)" for r in found if r.rows]
    return f"Of {found[0].total} candidates so many met a share of the dev rows: {', '.join(told)}."


def exemplars(history: History) -> Section:
    """Which rows were worth showing."""
    title = "Exemplars by value"
    found = values(history)
    if not found:
        return Section(title, (Paragraph("No candidate with exemplars has a score."),))
    ranked = [value for value in found if value.ranked]
    told = (
        f"{len(found)} rows were shown. A row's value is the mean dev score of the candidates that show it, "
        "less that of the candidates that show others only. It is an association and no cause: rows are "
        f"shown together, and a search goes on showing what did well. Ranked are the {len(ranked)} rows that "
        f"at least {LEAST} candidates show and {LEAST} do not."
    )
    parts: list[Part] = [Paragraph(told)]
    half = min(SHOWN_VALUES, (len(ranked) + 1) // 2)
    dev = {row.id for row in history.dev}
    for caption, those in (
        ("Most valuable", ranked[:half]),
        ("Least valuable", ranked[max(half, len(ranked) - half) :][::-1]),
    ):
        if those:
            columns = ("row", "split", "value (points)", "with", "without", "candidates", "input", "output")
            parts.append(Table(caption, columns, tuple(_value(value, dev) for value in those)))
    return Section(title, tuple(parts))


def _value(value: Value, dev: set[str]) -> tuple[str, ...]:
    return (
        value.row or "–",
        "dev" if value.row in dev else "train" if value.row else "by hand",
        f"{100 * value.difference:+.1f}",
        f"{100 * value.score:.1f} %",
        f"{100 * value.without:.1f} %",
        f"{value.shown} of {value.shown + value.others}",
        short(value.exemplar.input, TEXT),
        short(value.exemplar.output, TEXT),
    )


def surrogate(history: History) -> Section:
    """Predicted against measured."""
    title = "The surrogate: predicted against measured"
    if not history.predictions:
        return Section(title, (Paragraph("No surrogate judged candidates before they were evaluated."),))
    found = calibration(history)
    if not found.pairs:
        waiting = f"{len(history.predictions)} candidates were judged, and none of them has a score yet."
        return Section(title, (Paragraph(waiting),))
    said = _calibrated(found)
    plot = Plot("surrogate", said, partial(plots.predictions, found), height=4.6)
    return Section(title, (plot, Paragraph(said), _by_step(history), Paragraph(REGRET)))


def _by_step(history: History) -> Table:
    """Order, intervals and regret of each step's candidates."""
    rows = tuple(
        (
            str(one.step),
            one.component,
            str(one.judged),
            "" if one.rank is None else f"{one.rank:+.2f}",
            f"{one.inside} of {one.judged}",
            f"{100 * one.error:.1f}",
            f"{100 * one.regret:.1f}",
            f"{100 * one.left:.1f}",
        )
        for one in judgements(history)
    )
    columns = (
        "step", "component", "judged", "rank correlation", "in their 95 % intervals", "error (points)",
        "regret of its candidates (points)", "regret of the best so far (points)",
    )  # fmt: skip
    return Table("The surrogate step by step", columns, rows)


def _calibrated(found: Calibration) -> str:
    """The figures of the calibration, and what they mean."""
    screened = sum(pair.screened for pair in found.pairs)
    told = [
        f"{len(found.pairs)} candidates were judged before they were evaluated ({screened} of them chosen so "
        "among more proposals).",
        f"Measured scores lay in the 95 % intervals of the predicted ones, with the noise of their rows, in "
        f"{percent(found.coverage)}; the root mean squared error was {100 * found.error:.1f} points.",
    ]
    if found.rank is not None:
        told.append(f"Rank correlation over all {found.rank:.2f} (Spearman).")
    if found.within is None:
        told.append("Too little is known to tell whether it ranks the candidates of one step.")
        return " ".join(told)
    verdict = "no better than chance" if found.in_vain else "better than chance"
    if not found.in_vain and found.chance > 0.1:
        verdict = "too few to tell from chance"
    told.append(
        f"Within steps, where it has to choose, {found.within:.2f} (p = {found.chance:.3f}, one-sided): "
        f"{verdict}."
    )
    return " ".join(told)
