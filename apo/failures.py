"""Requests that got no answer, over a whole run: what kinds, why, and what they say of a candidate."""

from collections import Counter

from apo.history import History


def kinds(history: History) -> Counter[str]:
    """How many rows got no answer, by kind of failure; those of the sealed test included."""
    counted: Counter[str] = Counter()
    for candidate in history.candidates:
        for table in (history.evaluations(candidate), history.test_evaluations(candidate)):
            counted.update(e.failure.kind for e in table.values() if e.failure is not None)
    return counted


def cut_off(history: History) -> int:
    """How many answers on dev were stopped by the token limit; they are scored as they are."""
    return sum(e.cut_off for c in history.candidates for e in history.evaluations(c).values())


def first_failure(history: History) -> str:
    """Why the seed prompt's first failed row failed, for a message; may be empty."""
    for evaluation in history.evaluations("c0").values():
        if evaluation.failure is not None:
            return f"The first failure was {evaluation.failure.kind}: {evaluation.failure.message}"
    return ""


def unfit_rows(history: History, candidate: str) -> set[str]:
    """Dev rows on which a candidate's prompt was too long for the model's context."""
    done = history.evaluations(candidate)
    return {row for row, e in done.items() if e.failure is not None and e.failure.kind == "context"}
