"""A run in Markdown: what was asked, what came of it, where the gain came from, what it cost."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from apo import words
from apo.credit import credit
from apo.failures import cut_off, kinds
from apo.headroom import headroom
from apo.history import History
from apo.leaderboard import Row, rank
from apo.prompt import PLACEHOLDER, render

SHOWN = 12
"""Candidates in the report's board."""


def markdown(history: History, name: str) -> str:
    """The report of a run, finished or not."""
    train, dev, test = history.task.sizes
    spec = history.spec
    parts = [
        f"# {history.task.name} on {history.server.model}",
        f"Run `{name}`, {history.state}. {history.task.description}".rstrip(),
        words.verdict(history) or "The sealed test is not scored yet.",
        _headroom(history),
        "## Asked for",
        _table(
            ("what", "value"),
            [
                ("rows", f"{train} train, {dev} dev, {test} test"),
                ("server", history.server.engine),
                ("proposers", ", ".join(spec.proposers) or "none"),
                ("selectors", ", ".join(spec.selectors) or "none"),
                ("alternation", spec.alternation),
                ("scheduler", spec.scheduler),
                ("budget", ", ".join(f"{v} {k}" for k, v in asdict(history.budget).items() if v)),
                ("seed", str(spec.seed)),
            ],
        ),
        "## Leaderboard (dev)",
        _board(rank(history)[:SHOWN]),
        "## Steps: where the gain came from",
        _steps(history),
        "## Spent",
        _spent(history),
        "## The best prompt as the model receives it",
        _prompt(history),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headroom(history: History) -> str:
    """No exemplars, random exemplars, best so far: what there is to gain, and from what."""
    rows = [
        (arm.name, arm.candidate, words.percent(arm.dev), words.percent(arm.sealed) if arm.sealed else "")
        for arm in headroom(history)
    ]
    return "\n\n".join(
        filter(None, (_table(("prompt", "id", "dev score", "sealed test"), rows), words.luck(history)))
    )


def _board(rows: Sequence[Row]) -> str:
    lines = [
        (
            row.candidate.id,
            words.percent(row.score),
            words.points(row.difference) if row.difference.n else "",
            row.status,
            row.candidate.origin,
            str(len(row.candidate.prompt.exemplars)),
            row.candidate.prompt.layout.form,
            f"{row.tokens:.0f}",
            str(row.unreadable),
            str(row.failures),
        )
        for row in rows
    ]
    columns = ("id", "score", "Δ seed, paired", "status", "by", "exemplars", "layout", "tokens")
    return _table((*columns, "unreadable", "failed"), lines)


def _steps(history: History) -> str:
    rows = [
        (
            str(step.number),
            step.side or "–",
            step.component,
            str(len(step.proposed or ())),
            f"{100 * step.gain:+.1f}" if step.finished else "…",
            str(step.calls),
        )
        for step in history.steps
    ]
    table = _table(("step", "side", "component", "candidates", "gain (points)", "calls"), rows)
    components = dict.fromkeys(s.component for s in history.steps if s.side is not None)
    credits = [(c, f"{100_000 * credit(history, c):.1f}") for c in components]
    earned = _table(("component", "credit (points per 1,000 calls)"), credits)
    discarded = ", ".join(f"{n} {reason}" for reason, n in sorted(history.discards.items()))
    return "\n\n".join(p for p in (table, earned, discarded and f"Discarded proposals: {discarded}.") if p)


def _spent(history: History) -> str:
    rows = [(role, words.spent(spend)) for role, spend in history.spend.items()]
    rows.append(("all", f"{words.spent(history.total)}, {words.duration(history.seconds)}"))
    if history.forecast is not None:
        rows.append(("forecast", words.forecast(history.forecast)))
    table = _table(("role", "used"), rows)
    failed = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds(history).items()))
    notes = [f"Rows without an answer, missing from all scores: {failed}."] if failed else []
    if (count := cut_off(history)) > 0:
        notes.append(
            f"{count} dev answers were cut off by the token limit (max_tokens {history.task.max_tokens})."
        )
    return "\n\n".join([table, *notes])


def _prompt(history: History) -> str:
    leading = history.leading()
    rendered = render(leading.prompt if leading else history.task.seed, PLACEHOLDER)
    if isinstance(rendered, str):
        text = rendered
    else:
        text = "\n".join(f"[{message.role}] {message.content}" for message in rendered)
    fence = "`" * max(3, 1 + max((len(run) for run in _ticks(text)), default=0))
    return f"{fence}text\n{words.printable(text)}\n{fence}"


def _ticks(text: str) -> list[str]:
    """The runs of backticks in a text, which a fence must be longer than."""
    return "".join(c if c == "`" else " " for c in text).split()


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = (words.printable(cell).replace("|", "\\|").replace("\n", " ") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
