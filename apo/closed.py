"""Closed tasks: their labels, and the label that an answer's first token begins.

Greedy decoding picks the likeliest token, so one token tells how the answer begins. Comparing the labels'
own probabilities instead, whatever else the model would rather say, ranks prompts otherwise than their
answers do, as Wiegreffe et al. (EMNLP 2023) found; `results/benchmarks/closed.md` measures it.
"""

from collections.abc import Sequence

from apo.scorers import Choice, Exact
from apo.task import Task

MOST_LABELS = 20


def labels(task: Task) -> tuple[str, ...]:
    """The answers of a closed task; none if it is open.

    Those of the scorer `choice`; with `exact`, the known answers of train and dev, if there are at most
    MOST_LABELS, each four times on average. One label alone is none to tell from others.
    """
    found: tuple[str, ...] = ()
    if isinstance(task.scorer, Choice):
        found = task.scorer.labels
    elif isinstance(task.scorer, Exact):
        rows = (*task.train, *task.dev)
        seen = tuple(sorted({row.target for row in rows}))
        found = seen if len(seen) <= min(MOST_LABELS, len(rows) // 4) else ()
    return found if len(found) > 1 else ()


def begun(known: Sequence[str], token: str) -> str | None:
    """The one label that an answer's first token begins, whatever its case and the space around it.

    ` Bill` and `b` begin `billing`, if no other label begins so; `Yes.` begins `Yes`. A token that several
    labels share begins none, and neither does one that goes on with other letters. So no tokenizer is asked.
    """
    said = token.strip().casefold()
    found = [label for label in known if said and _begins(label.strip().casefold(), said)]
    return found[0] if len(found) == 1 else None


def _begins(label: str, said: str) -> bool:
    whole = bool(label) and said.startswith(label)
    return label.startswith(said) or (whole and not said[len(label)].isalnum())
