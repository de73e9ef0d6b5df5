"""The leaderboard: candidates in order of what is known of them, with how sure it is."""

from dataclasses import dataclass
from typing import Literal

from apo.candidate import Candidate
from apo.history import History
from apo.statistics import EMPTY, Interval, mean_interval, paired_difference

Status = Literal["best", "running", "queued", "pruned", "full"]


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate on the board."""

    candidate: Candidate
    score: Interval
    """Over the answered dev rows."""
    difference: Interval
    """To the seed, paired over the rows that both answered."""
    status: Status
    failures: int
    """Rows that got no answer; they are missing from the score, not zero."""
    unreadable: int
    """Answered rows whose output the scorer could not read (scored 0)."""
    tokens: float
    """Mean prompt tokens of a row; 0 before the first."""


def rank(history: History) -> tuple[Row, ...]:
    """All candidates, the highest lower bound of the score's interval first.

    So 67 of 80 does not outrank 164 of 200 by luck. Candidates without a score come last, oldest
    first; equal bounds go by `History.preference`.
    """
    best = history.best()
    seed = history.scores("c0")
    rows = [_row(history, c, seed, best) for c in history.candidates.values()]

    def key(row: Row) -> tuple[bool, float, tuple[float, int, int]]:
        return (row.score.n == 0, -row.score.low, history.preference(row.candidate))

    return tuple(sorted(rows, key=key))


def _row(history: History, candidate: Candidate, seed: dict[str, float], best: Candidate | None) -> Row:
    evaluations = history.evaluations(candidate.id)
    answered = [e for e in evaluations.values() if e.score is not None]
    scores = history.scores(candidate.id)
    return Row(
        candidate=candidate,
        score=mean_interval(list(scores.values())),
        difference=paired_difference(scores, seed) if candidate.id != "c0" else EMPTY,
        status=_status(history, candidate, best),
        failures=len(evaluations) - len(answered),
        unreadable=sum(e.score is not None and e.score.answer is None for e in answered),
        tokens=sum(e.usage.prompt_tokens for e in answered) / max(len(answered), 1),
    )


def _status(history: History, candidate: Candidate, best: Candidate | None) -> Status:
    if best is not None and candidate.id == best.id:
        return "best"
    if candidate.id in history.pruned:
        return "pruned"
    if history.is_full(candidate.id):
        return "full"
    return "running" if history.evaluations(candidate.id) else "queued"
