"""Layouts that are tried: one move away, each another text, with the same exemplars on the same rows."""

from dataclasses import fields, replace
from itertools import product

import pytest

from apo.alternations import WIDTHS
from apo.cells import layout as cell
from apo.history import History
from apo.layouts import FORMS, LABELS, SEPARATORS, neighbours
from apo.prompt import FORMS as ALL_FORMS
from apo.prompt import PLACES, Exemplar, Layout, Prompt
from tests.helpers import run_engine, skilled, toy_spec, toy_task

TASK = toy_task()
SHOWN = (Exemplar("A hat", "wear", "row-1"), Exemplar("A tea", "drink", "row-2"))
LAYOUTS = [
    Layout(form, place, *labels, separator)
    for form, place, labels, separator in product(ALL_FORMS, PLACES, LABELS, SEPARATORS)
]


def moved(there: Layout, here: Layout) -> set[str]:
    """The fields in which two layouts differ; both labels are one."""
    differing = {f.name for f in fields(Layout) if getattr(there, f.name) != getattr(here, f.name)}
    return {"labels" if name.endswith("label") else name for name in differing}


def test_every_form_is_tried() -> None:
    """The order of trying holds every form once."""
    assert sorted(ALL_FORMS) == sorted(FORMS)


def test_chat_with_system_message() -> None:
    """Bare turns have no labels and no separator: the other forms, then the other places."""
    found = [(p.layout.form, p.layout.place) for p in neighbours(Prompt("Name it.", SHOWN))]
    forms = [("completion", "system"), ("fields", "system"), ("flat", "system")]

    assert [*forms, ("turns", "first"), ("turns", "last")] == found


def test_completion() -> None:
    """A completion has no system message; its moves are forms, the last place, labels and separators."""
    found = neighbours(Prompt("Name it.", SHOWN, Layout("completion")))
    order = [moved(Layout("completion"), prompt.layout) for prompt in found]

    assert [{"form"}] * 3 + [{"place"}] + [{"labels"}] * 3 + [{"separator"}] * 2 == order
    assert "last" == found[3].layout.place


@pytest.mark.parametrize("exemplars", [(), SHOWN], ids=["bare", "shown"])
def test_neighbours_are_other_texts(exemplars: tuple[Exemplar, ...]) -> None:
    """From any layout all neighbours fit one step, are one move away, and are texts of their own."""
    for layout in LAYOUTS:
        prompt = Prompt("Name it.", exemplars, layout)
        found = neighbours(prompt)

        assert 5 - 2 * (not exemplars) <= len(found) <= WIDTHS["layout"]
        assert len({p.digest for p in [prompt, *found]}) == len(found) + 1
        assert {1} == {len(moved(layout, p.layout)) for p in found}
        assert {prompt} == {replace(p, layout=layout) for p in found}


def test_no_instruction_no_place() -> None:
    """Without an instruction its place is no move."""
    assert not any(p.layout.place != "system" for p in neighbours(Prompt("", SHOWN)))


@pytest.fixture(scope="module")
def history() -> History:
    """A whole run."""
    return run_engine(TASK, toy_spec(), skilled(TASK))[0]


def test_compared_with_the_same_exemplars_on_the_same_rows(history: History) -> None:
    """A layout's candidates keep instruction and exemplars of their parent and meet its first rows."""
    steps = [step for step in history.steps if step.side == "layout"]
    order = [row.id for row in TASK.dev]

    assert steps
    assert any(len(step.cohort) > 2 for step in steps)
    for step in steps:
        tried = [history.candidates[c] for c in step.cohort]
        assert len({c.parents for c in tried}) == 1
        parent = history.candidates[tried[0].parents[0]]
        assert parent.prompt.exemplars
        assert {parent.prompt} == {replace(c.prompt, layout=parent.prompt.layout) for c in tried}
        assert history.is_full(parent.id)
        for candidate in tried:
            met = history.evaluations(candidate.id)
            assert set(order[: len(met)]) == set(met)


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (Layout(), "turns"),
        (Layout("fields", "first"), "fields↑"),
        (Layout("turns", "last"), "turns↓"),
        (Layout("completion", "first"), "completion"),
        (Layout("flat", "last"), "flat↓"),
    ],
)
def test_cell(layout: Layout, said: str) -> None:
    """A board says the form, and where the instruction stands if that is not the usual place."""
    assert said == cell(layout)
