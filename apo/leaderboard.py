"""The leaderboard: candidates in order of what is known of them, with how sure it is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from apo.candidate import Candidate, prompt_length
from apo.history import History
from apo.statistics import EMPTY, Interval, mean_interval, paired_difference

Status = Literal["best", "running", "queued", "pruned", "full"]
Order = Literal["lower bound", "mean", "newest", "shortest"]
"""What a board can be sorted by; candidates without a score come last in all but `newest`."""


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
    board = Board(history)
    return board.rows(board.order())


class Board:
    """Ranks a history that grows, again and again: what has not changed is not computed anew."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._known: dict[tuple[str, str], tuple[tuple[object, ...], Any]] = {}

    def order(self, by: Order = "lower bound") -> list[str]:
        """All candidates in order, best first."""
        return sorted(self.history.candidates, key=lambda c: self._keys(c)[by])

    def rows(self, candidates: Iterable[str]) -> tuple[Row, ...]:
        """The rows of some candidates, in the order given."""
        best = self.history.best()
        return tuple(self._row(c, None if best is None else best.id) for c in candidates)

    def score(self, candidate: str) -> Interval:
        """A candidate's score over its answered dev rows."""
        scores = self.history.scores(candidate)
        found: Interval = self._once("score", candidate, lambda: mean_interval([*scores.values()]), scores)
        return found

    def difference(self, candidate: str, other: str) -> Interval:
        """A candidate's score less another's, paired over the rows that both answered."""
        ours, theirs = self.history.scores(candidate), self.history.scores(other)
        found: Interval = self._once(
            f"to {other}", candidate, lambda: paired_difference(ours, theirs), ours, theirs
        )
        return found

    def tied(self, candidate: str, leader: str) -> bool:
        """Whether their shared rows cannot tell two candidates apart; a leader is tied with itself."""
        if candidate == leader:
            return True
        apart = self.difference(candidate, leader)
        return apart.n > 0 and apart.low <= 0 <= apart.high

    def _keys(self, candidate: str) -> dict[Order, tuple[Any, ...]]:
        scores = self.history.scores(candidate)
        found: dict[Order, tuple[Any, ...]] = self._once(
            "keys", candidate, lambda: self._sorting(candidate), scores
        )
        return found

    def _sorting(self, candidate: str) -> dict[Order, tuple[Any, ...]]:
        one, score = self.history.candidates[candidate], self.score(candidate)
        preference = self.history.preference(one)
        return {
            "lower bound": (score.n == 0, -score.low, preference),
            "mean": (score.n == 0, preference),
            "newest": (-preference[2],),
            "shortest": (score.n == 0, prompt_length(one), preference),
        }

    def _row(self, candidate: str, best: str | None) -> Row:
        one, scores = self.history.candidates[candidate], self.history.scores(candidate)
        failures, unreadable, tokens = self._once(
            "counts", candidate, lambda: self._counts(candidate), scores
        )
        return Row(
            candidate=one,
            score=self.score(candidate),
            difference=self.difference(candidate, "c0") if candidate != "c0" else EMPTY,
            status="best" if candidate == best else _status(self.history, candidate),
            failures=failures,
            unreadable=unreadable,
            tokens=tokens,
        )

    def _counts(self, candidate: str) -> tuple[int, int, float]:
        """Failures, unreadable answers, and mean prompt tokens."""
        evaluations = self.history.evaluations(candidate)
        answered = [e for e in evaluations.values() if e.score is not None]
        return (
            len(evaluations) - len(answered),
            sum(e.score is not None and e.score.answer is None for e in answered),
            sum(e.usage.prompt_tokens for e in answered) / max(len(answered), 1),
        )

    def _once(self, what: str, candidate: str, compute: Callable[[], Any], *depends: object) -> Any:
        """A value that is computed again only when an object that it depends on is another one.

        `History.scores` returns another object once a candidate was evaluated further.
        """
        known = self._known.get((candidate, what))
        if known is None or any(a is not b for a, b in zip(known[0], depends, strict=True)):
            known = self._known[candidate, what] = (depends, compute())
        return known[1]


def _status(history: History, candidate: str) -> Status:
    if candidate in history.pruned:
        return "pruned"
    if history.is_full(candidate):
        return "full"
    return "running" if history.evaluations(candidate) else "queued"
