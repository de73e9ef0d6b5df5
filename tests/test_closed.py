"""Closed tasks: their labels, and what a first token says."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.closed import begun, labels
from apo.scorers import Choice, Contains, Exact, Numeric
from apo.task import Example, Scorer
from tests.helpers import toy_task

TEAMS = ("billing", "returns", "refunds", "New York")


@pytest.mark.parametrize(
    ("token", "label"),
    [
        ("billing", "billing"),
        (" Bill", "billing"),
        ("b", "billing"),
        ("Billing.", "billing"),
        (" New", "New York"),
        ("re", None),  # two labels begin so
        ("ret", "returns"),
        ("billings", None),  # another word
        ("The", None),
        ("", None),
        ("\n", None),
    ],
)
def test_first_tokens(token: str, label: str | None) -> None:
    """A token speaks for the one label that it begins."""
    assert label == begun(TEAMS, token)


def test_labels_in_brackets() -> None:
    """Where all labels begin alike, the first token tells none of them apart."""
    assert begun(("(A)", "(B)"), "(") is None


@given(st.lists(st.text("abAB( ", min_size=1, max_size=4), min_size=2, max_size=5, unique=True), st.data())
def test_never_another_label(known: list[str], data: st.DataObject) -> None:
    """A label's own beginning speaks for that label or for none."""
    label = data.draw(st.sampled_from(known))
    token = label[: data.draw(st.integers(1, len(label)))]

    assert begun(known, token) in (None, label)


def test_labels_of_choice() -> None:
    """The scorer's own."""
    assert ("red", "blue") == labels(toy_task())


@pytest.mark.parametrize(
    ("scorer", "answers", "found"),
    [
        (Exact(), ["yes", "no"] * 8, ("no", "yes")),
        (Exact(), [f"answer {n}" for n in range(16)], ()),
        (Exact(), ["yes"] * 16, ()),
        (Choice(("yes",)), ["yes"] * 16, ()),
        (Numeric(), ["1", "2"] * 8, ()),
        (Contains(), ["yes", "no"] * 8, ()),
    ],
)
def test_labels_from_answers(scorer: Scorer, answers: list[str], found: tuple[str, ...]) -> None:
    """Few answers that repeat, where the whole output must be one of them."""
    rows = tuple(Example(f"r{n}", f"input {n}", answer) for n, answer in enumerate(answers))
    task = replace(toy_task(), scorer=scorer, train=rows[:8], dev=rows[8:])

    assert found == labels(task)


def test_sealed_answers_are_unknown() -> None:
    """An answer that only the test has is no label."""
    rows = tuple(Example(f"r{n}", f"input {n}", ("yes", "no")[n % 2]) for n in range(16))
    sealed = (Example("t", "tested", "maybe"),)
    task = replace(toy_task(), scorer=Exact(), train=rows[:8], dev=rows[8:], test=sealed)

    assert ("no", "yes") == labels(task)
