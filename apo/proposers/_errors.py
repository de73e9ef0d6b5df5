"""Kinds of errors, read off an answer without a model."""

from collections.abc import Collection, Iterable, Sequence

from apo.candidate import Evaluation
from apo.scorers import normalise
from apo.task import Example

Case = tuple[Example, Evaluation]
"""A row with what the model answered."""
MOST_LABELS = 20
"""More different answers than this are no closed set."""
ROWS_A_LABEL = 3
"""Rows that each answer of a closed set has on average, at least."""
FAR_LONGER = 4
"""How many times the right answer's length counts as far longer."""


def labels(rows: Sequence[Example]) -> frozenset[str]:
    """The answers of a closed task; empty where answers hardly repeat."""
    found = frozenset(row.target for row in rows)
    return found if len(found) <= min(MOST_LABELS, len(rows) // ROWS_A_LABEL) else frozenset()


def kind(row: Example, done: Evaluation, known: Collection[str] = ()) -> str:
    """What went wrong with an answer that is not fully right; `known` are the labels of a closed task."""
    score = done.score
    if not done.output.strip():
        return "no answer at all"
    if done.cut_off:
        return "cut off before its end"
    if score is None or score.answer is None:
        return "no answer could be read in it"
    if known:
        said = score.answer
        return f"{said} instead of {row.target}" if said in known else "none of the answers that count"
    if score.value > 0:
        return "partly right"
    return _open_kind(row, done.output)


def _open_kind(row: Example, output: str) -> str:
    """The same for a wrong answer in free words."""
    said = f" {normalise(output)} "
    if any(f" {normalise(gold)} " in said for gold in row.accepted):
        return "the right answer among other words"
    longest = max(len(gold) for gold in row.accepted)
    return "far longer than the right answer" if len(output.strip()) > FAR_LONGER * longest else "wrong"


def by_kind(cases: Iterable[Case], known: Collection[str] = ()) -> dict[str, list[Case]]:
    """Cases by their kind of error, the most frequent kind first; equals in the order given."""
    groups: dict[str, list[Case]] = {}
    for row, done in cases:
        groups.setdefault(kind(row, done, known), []).append((row, done))
    return dict(sorted(groups.items(), key=lambda group: -len(group[1])))
