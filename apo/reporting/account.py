"""A run as a document: what was asked, what came of it, where the gain came from, what it cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial

from apo import words
from apo.events import Record
from apo.failures import cut_off, kinds
from apo.headroom import corrected_score, headroom
from apo.history import History
from apo.leaderboard import rank
from apo.reporting import comparing, plots, searching
from apo.reporting.contributions import side_name
from apo.reporting.document import Document, Paragraph, Part, Plot, Section, Table, Tiles, short
from apo.statistics import Interval, mean_interval
from apo.store import journal
from apo.task import Example
from apo.trace import Lead, Trace
from apo.transfer import Transfer

SHOWN = 12
"""Candidates in the report's board."""
PROBLEMS = 10
"""Of the problems that a run reported, the last so many are told."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run's journal, folded once for all that its report says."""

    history: History
    trace: Trace
    begun: float
    """When, in seconds since 1970."""


def fold(records: Iterable[Record]) -> Run:
    """The run of a journal."""
    history, trace, begun = History(), Trace(), 0.0
    for record in records:
        begun = begun or record.t
        journal.fold(history, record)
        trace.take(history, record.event)
    return Run(history, trace, begun)


def tell(
    run: Run,
    name: str,
    test: Mapping[str, Example] | None = None,
    stopped: bool = False,
    transfers: Sequence[Transfer] = (),
) -> Document:
    """The report of a run, finished or not.

    Args:
        run: what is known of it, under its `name`.
        test: the rows of the sealed test by id, where they are at hand; the journal has only their answers.
        stopped: whether nobody goes on with it, although it has not ended.
        transfers: what its prompts were worth elsewhere.

    Raises:
        RunError: the run has not begun.
    """
    history, trace = run.history, run.trace
    state = "stopped" if stopped else words.state(history)
    sections = (
        _summary(history),
        _score(history, trace),
        searching.gains(history),
        searching.components(history),
        comparing.against_seed(history, test or {}),
        comparing.prompt(history),
        searching.exemplars(history),
        searching.fates(history),
        searching.surrogate(history),
        _board(history),
        _transferred(transfers),
        _spent(history),
        _asked(history),
    )
    return Document(
        title=short(f"{history.task.name} on {history.server.model}", 200),
        subtitle=short(f"Run {name}, begun {_day(run)}, {state}. {history.task.description}".rstrip(), 1_000),
        sections=tuple(section for section in sections if section.parts),
    )


def _day(run: Run) -> str:
    """When it began."""
    return datetime.fromtimestamp(run.begun, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _transferred(transfers: Sequence[Transfer]) -> Section:
    """What prompts of the run were worth on other models and tasks."""
    rows = tuple((t.candidate, t.task, t.split, t.model, words.percent(t.score)) for t in transfers)
    head = ("prompt", "task", "rows", "model", "score")
    return Section("Scored again, here and elsewhere", (Table("By apo eval", head, rows),) if rows else ())


def _summary(history: History) -> Section:
    """The verdict, the figures that matter most, and what there was to gain."""
    parts: list[Part] = [Paragraph(words.verdict(history) or "The sealed test is not scored yet.")]
    if tiles := _tiles(history):
        parts.append(Tiles(tiles))
    rows = tuple(
        (arm.name, arm.candidate, words.percent(arm.dev), words.percent(arm.sealed) if arm.sealed else "")
        for arm in headroom(history)
    )
    if history.scores("c0"):
        parts.append(Table("What there was to gain", ("prompt", "id", "dev score", "sealed test"), rows))
    if (luck := words.luck(history)) is not None:
        parts.append(Paragraph(luck))
    told = [*dict.fromkeys(history.problems)]
    parts += [Paragraph(f"Problem: {short(problem, 500)}") for problem in told[-PROBLEMS:]]
    return Section("Summary", tuple(parts))


def _tiles(history: History) -> tuple[tuple[str, str, str], ...]:
    """What was won, on the sealed test or so far on dev."""
    tested, best = history.tested, history.best()
    if tested is not None:
        return (
            ("seed prompt, sealed test", *_figure(tested.seed)),
            (f"best prompt ({tested.candidate}), sealed test", *_figure(tested.score)),
            ("difference, paired", *_points(tested.difference)),
        )
    if best is None:
        return ()
    seed, score = (mean_interval([*history.scores(c).values()]) for c in ("c0", best.id))
    tiles = [("seed prompt, dev", *_figure(seed)), (f"best prompt so far ({best.id}), dev", *_figure(score))]
    if len(history.candidates) > 1:
        tiles.append(("without the luck of being picked", *_figure(corrected_score(history, best.id))))
    return tuple(tiles)


def _figure(score: Interval) -> tuple[str, str]:
    return (f"{100 * score.mean:.1f} %", _range(score)) if score.n else ("–", "no answered row")


def _range(score: Interval, form: str = ".1f") -> str:
    return f"{100 * score.low:{form}} to {100 * score.high:{form}}, n={score.n}"


def _points(change: Interval) -> tuple[str, str]:
    return (
        (f"{100 * change.mean:+.1f} points", _range(change, "+.1f")) if change.n else ("–", "no shared row")
    )


def _score(history: History, trace: Trace) -> Section:
    """The best score against calls."""
    title, candidates = "Best score against calls", history.candidates
    dots = tuple(
        (calls, history.mean(c), side_name(candidates[c].side, candidates[c].origin == "seed"))
        for c, calls in trace.seen.items()
        if history.scores(c)
    )
    if not dots:
        said = "No row has been answered yet." if trace.seen else "Nothing has been evaluated yet."
        return Section(title, (Paragraph(said),))
    leads = [(lead, mean_interval([*history.scores(lead.candidate).values()])) for lead in trace.best]
    calls = history.total.calls - history.spend["test"].calls
    curve = plots.Curve(tuple((lead.calls, score) for lead, score in leads), dots, calls, _ends(history))
    parts: list[Part] = [Plot("best-score", _curve(curve, leads), partial(plots.best_score, curve), 4.0)]
    if leads:
        rows = tuple(
            (lead.candidate, f"{lead.calls:,}", candidates[lead.candidate].origin, words.percent(score))
            for lead, score in leads
        )
        columns = ("best", "from calls", "by", "dev score with its 95 % interval")
        parts.append(Table("The best candidate so far", columns, rows))
    return Section(title, tuple(parts))


def _curve(curve: plots.Curve, leads: Sequence[tuple[Lead, Interval]]) -> str:
    """The curve in words."""
    said = [
        f"{words.percent(score)} with {lead.candidate} from {lead.calls} calls on" for lead, score in leads
    ]
    told = [f"{name} {words.percent(score)}" for name, score in curve.ends]
    return (
        f"Best dev score with every row met: {'; '.join(said) or 'none yet'}. At the end: {'; '.join(told)}."
    )


def _ends(history: History) -> tuple[tuple[str, Interval], ...]:
    """Scores to be seen beside the curve: the seed's and the best prompt's, and what is left without luck."""
    found = [("seed, dev", mean_interval([*history.scores("c0").values()]))]
    if (best := history.best()) is not None:
        found.append(("best, dev", mean_interval([*history.scores(best.id).values()])))
        found.append(("best, corrected", corrected_score(history, best.id)))
    if (tested := history.tested) is not None:
        found += [("seed, test", tested.seed), ("best, test", tested.score)]
    return tuple((name, score) for name, score in found if score.n)


def _board(history: History) -> Section:
    ranked = rank(history)
    rows = tuple(
        (
            row.candidate.id,
            words.percent(row.score),
            words.points(row.difference) if row.difference.n else "",
            row.status,
            row.candidate.origin,
            words.exemplars(row.candidate.prompt),
            row.candidate.prompt.layout.form,
            f"{row.tokens:.0f}",
            str(row.unreadable),
            str(row.failures),
        )
        for row in ranked[:SHOWN]
    )
    columns = ("id", "score", "Δ seed, paired", "status", "by", "exemplars", "layout", "tokens")
    caption = f"The first {len(rows)} of {len(ranked)} candidates, by the lower end of the interval"
    parts = (Table(caption, (*columns, "unreadable", "failed"), rows),) if rows else ()
    return Section("Leaderboard (dev)", parts)


def _spent(history: History) -> Section:
    used = [(r, s) for r, s in history.spend.items() if r != "whitebox" or s.prompt_tokens]
    rows = [(role, words.spent(spend)) for role, spend in used]
    total = replace(history.total, seconds=history.seconds)
    rows.append(("all", words.spent(total)))
    if history.forecast is not None:
        rows.append(("forecast", words.forecast(history.forecast)))
    parts: list[Part] = [Table("By role", ("role", "used"), tuple(rows))]
    if failed := ", ".join(f"{n} {kind}" for kind, n in sorted(kinds(history).items())):
        parts.append(Paragraph(f"Rows without an answer, missing from all scores: {failed}."))
    if (count := cut_off(history)) > 0:
        told = f"{count} dev answers were cut off by the token limit (max_tokens {history.task.max_tokens})."
        parts.append(Paragraph(told))
    return Section("Spent", tuple(parts))


def _asked(history: History) -> Section:
    train, dev, test = history.task.sizes
    spec = history.spec
    rows = (
        ("rows", f"{train} train, {dev} dev, {test} test"),
        ("server", history.server.engine),
        ("proposers", ", ".join(spec.proposers) or "none"),
        ("selectors", ", ".join(spec.selectors) or "none"),
        ("alternation", spec.alternation),
        ("scheduler", spec.scheduler),
        (
            "surrogate",
            f"{spec.surrogate}, {spec.acquisition}, {spec.screen} lists proposed for each that is tried",
        ),
        ("scoring", words.scoring(history.scoring)),
        ("budget", ", ".join(f"{v} {k}" for k, v in asdict(history.budget).items() if v)),
        ("seed", str(spec.seed)),
    )
    return Section("Asked for", (Table("Settings of the run", ("what", "value"), rows),))
