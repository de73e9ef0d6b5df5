"""Where an answer starts: the words after which a model's reasoning is asked for its answer, by scorer."""

from apo.scorers import Choice, Numeric, first_line, last_number
from apo.task import Example, Scorer

MOST_NAMED = 10
"""Labels that are listed; more of them are too long a list."""


def extractor(scorer: Scorer) -> str:
    """The text between reasoning and answer; a scorer of one's own is read like `exact`."""
    if isinstance(scorer, Choice) and len(scorer.labels) <= MOST_NAMED:
        return f"\nTherefore, of {', '.join(scorer.labels)}, the answer is"
    if isinstance(scorer, Numeric):
        return "\nTherefore, as a number, the answer is"
    return "\nTherefore, the answer is"


def gold(scorer: Scorer, row: Example) -> str:
    """A row's answer as it would stand there, in one line; never empty."""
    said = row.target
    if isinstance(scorer, Choice):
        said = scorer.read(row.target) or row.target
    if isinstance(scorer, Numeric):
        number = last_number(row.target)
        said = row.target if number is None else f"{number:f}"
    return first_line(said).strip() or row.target
