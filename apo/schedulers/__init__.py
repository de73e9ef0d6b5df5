"""Which candidates meet which rows next, and which are dropped or promoted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from apo.belief import Belief
from apo.candidate import prompt_length
from apo.history import History

NO_BUDGET = "no budget left for its rows"
"""Why a candidate is dropped that nothing speaks against."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do next with a cohort; without assignments the cohort is done."""

    assignments: tuple[tuple[str, str], ...] = ()
    """Pairs of candidate id and dev row id, none of them tried before."""
    promoted: tuple[tuple[str, int], ...] = ()
    """Candidate id and the number of rows that it will then have met."""
    pruned: tuple[tuple[str, str], ...] = ()
    """Candidate id and why it is dropped."""


class Scheduler(Protocol):
    """Spends evaluations on a cohort; a frozen dataclass whose fields are its options."""

    def plan(self, cohort: Sequence[str], history: History, allowance: int, belief: Belief) -> Plan:
        """The next evaluations for a cohort (candidate ids), a function of its arguments alone.

        `belief` says what is believed of candidates' true scores now; asking it may take a second.

        Rows are dealt as growing prefixes of `history.dev`, so that any two candidates share rows.
        Assigns at most `allowance` pairs. Called again when they are done, until a plan has none.
        """
        ...


def untried(candidate: str, history: History, rows: int) -> list[tuple[str, str]]:
    """The pairs of a candidate with those of the first `rows` dev rows that it has not met."""
    met = history.evaluations(candidate)
    return [(candidate, row.id) for row in history.dev[:rows] if row.id not in met]


def prefix_mean(candidate: str, history: History, rows: int) -> float:
    """Mean score over the answered ones of the first `rows` dev rows; 0 without any."""
    scores = history.scores(candidate)
    values = [scores[row.id] for row in history.dev[:rows] if row.id in scores]
    return sum(values) / len(values) if values else 0.0


def keep_best(alive: list[str], keep: int, history: History, rows: int) -> tuple[list[str], list[str]]:
    """Part into the `keep` best on the first `rows` rows and the others, both in the order given.

    Equal means go to the shorter prompt, then to the older.
    """
    if len(alive) <= keep or rows == 0:
        return alive, []

    def key(candidate: str) -> tuple[float, int, int]:
        length = prompt_length(history.candidates[candidate])
        return (-prefix_mean(candidate, history, rows), length, int(candidate[1:]))

    best = set(sorted(alive, key=key)[:keep])
    return [c for c in alive if c in best], [c for c in alive if c not in best]
