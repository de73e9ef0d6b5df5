"""A report's sections on the winner: its rows against the seed's, and the prompt itself."""

from collections.abc import Mapping, Sequence

from apo import words
from apo.candidate import Evaluation
from apo.history import History
from apo.prompt import PLACEHOLDER, render
from apo.reporting.document import Paragraph, Part, Section, Table, Verbatim, short
from apo.reporting.flips import Flip, flips
from apo.task import Example

SHOWN = 8
"""Rows of a table of flips."""
TEXT = 240
"""Characters of a text in it."""


def against_seed(history: History, test: Mapping[str, Example]) -> Section:
    """The rows on which winner and seed differ, on dev and on the sealed test."""
    title = "The winner against the seed, row by row"
    best = history.leading()
    if best is None or best.id == "c0":
        why = "No candidate has a score yet." if best is None else "The seed prompt leads, so no row differs."
        return Section(title, (Paragraph(why),))
    dev = {row.id: row for row in history.dev}
    ours, theirs = history.evaluations(best.id), history.evaluations("c0")
    parts = _split("dev", best.id, ours, theirs, dev)
    if history.tested is not None:
        parts += _split(
            "the sealed test",
            best.id,
            history.test_evaluations(best.id),
            history.test_evaluations("c0"),
            test,
        )
    return Section(title, tuple(parts))


def _split(
    split: str,
    winner: str,
    ours: Mapping[str, Evaluation],
    theirs: Mapping[str, Evaluation],
    rows: Mapping[str, Example],
) -> list[Part]:
    better, worse = flips(ours, theirs)
    parts: list[Part] = [
        Paragraph(
            f"On {split}, of {len(ours.keys() & theirs.keys())} rows that both met, {winner} answered "
            f"{len(better)} better than the seed prompt and {len(worse)} worse."
        )
    ]
    if not (better or worse):
        return parts
    if not rows:
        parts.append(
            Paragraph(
                "Their texts are not in the journal; `apo report` shows them while the task's data are at "
                "hand and unchanged."
            )
        )
    for what, those in (("better", better), ("worse", worse)):
        if those:
            number = f"{len(those)}" if len(those) <= SHOWN else f"the first {SHOWN} of {len(those)}"
            caption = f"Answered {what} on {split}: {number}"
            texts = ("input", "target") if rows else ()
            columns = ("row", *texts, "seed's output", f"{winner}'s output", "score")
            parts.append(Table(caption, columns, tuple(_flip(f, rows) for f in _shown(those, rows))))
    return parts


def _shown(those: Sequence[Flip], rows: Mapping[str, Example]) -> list[Flip]:
    """The first flips in the order of the data, as far as it is known."""
    place = {row: number for number, row in enumerate(rows)}
    return sorted(those, key=lambda f: (-abs(f.change), place.get(f.row, 0)))[:SHOWN]


def _flip(flip: Flip, rows: Mapping[str, Example]) -> tuple[str, ...]:
    known: tuple[str, ...] = ()
    if rows:
        row = rows.get(flip.row)
        known = ("–", "–") if row is None else (row.input, " | ".join(row.accepted))
    told = (*known, flip.seed.output.strip(), flip.winner.output.strip())
    return (flip.row, *(short(text, TEXT) for text in told), f"{_value(flip.seed)} → {_value(flip.winner)}")


def _value(evaluation: Evaluation) -> str:
    return "–" if evaluation.score is None else f"{evaluation.score.value:.2g}"


def prompt(history: History) -> Section:
    """The best prompt as the model receives it."""
    leading = history.leading()
    shown = leading.prompt if leading else history.task.seed
    rendered = render(shown, PLACEHOLDER)
    if isinstance(rendered, str):
        text = rendered
    else:
        text = "\n".join(f"[{message.role}] {message.content}" for message in rendered)
    note = words.nearest(shown)
    parts: tuple[Part, ...] = (Paragraph(note), Verbatim(text)) if note else (Verbatim(text),)
    return Section("The best prompt as the model receives it", parts)
