"""Prompts that people add to a run: they compete like others, and leak no row to itself."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from apo import events
from apo.backends import Request
from apo.commands import Add
from apo.prompt import Exemplar, Prompt, as_text
from tests.helpers import skilled
from tests.steered import Steered
from tests.test_steering import EARLY, HOSTILE, TASK, facts, refused, steered


def test_add_becomes_a_candidate_and_competes() -> None:
    """What a person adds is evaluated in the next step like any other, whatever its text."""
    history, run = steered((EARLY, Add(prompt=Prompt(HOSTILE), parent="c0", note=HOSTILE)))
    (added,) = (c for c in history.candidates.values() if c.origin == "human")
    step = next(step for step in history.steps if step.component == "human")

    assert (HOSTILE, ("c0",), None, HOSTILE) == (
        added.prompt.instruction,
        added.parents,
        added.side,
        added.note,
    )
    assert (added.id,) == step.cohort
    assert 20 == len(history.evaluations(added.id))
    assert [] == refused(run)


def test_added_prompt_can_win() -> None:
    """The better prompt wins, whoever wrote it."""
    shown = tuple(Exemplar(row.input, row.target) for row in TASK.train[:16])
    history, _ = steered(
        (EARLY, Add(prompt=replace(TASK.seed, exemplars=shown))),
        selectors=("uniform:size=2",),
        alternation="learned:opening=2",
    )
    assert history.finished is not None

    assert "human" == history.candidates[history.finished.best].origin


def test_several_added_at_once() -> None:
    """All that was added before a step shares that step; one that is there already is discarded."""
    added = [Add(prompt=Prompt(text)) for text in ("One.", "Two.", "One.", TASK.seed.instruction)]
    history, run = steered(*((EARLY, add) for add in added))
    (step,) = (step for step in history.steps if step.component == "human")
    proposed = [f for f in facts(run) if isinstance(f, events.CandidatesProposed) and f.step == step.number]

    assert ["One.", "Two."] == [c.prompt.instruction for c in proposed[0].candidates]
    assert ["One.", TASK.seed.instruction] == [d.text for d in proposed[0].discarded]
    assert {"duplicate"} == {d.reason for d in proposed[0].discarded}


@pytest.mark.parametrize(
    "change", [str, lambda text: f"  {text.replace(' ', chr(10), 1)} "], ids=["same", "spaced"]
)
@pytest.mark.parametrize("source", ["", "nonsense", "row-20"])
def test_added_exemplar_is_not_shown_to_its_own_row(change: Callable[[str], str], source: str) -> None:
    """An added exemplar that equals a dev row, but for spaces, never leaks the row's answer to it."""
    row = TASK.dev[4]
    marked = Exemplar(change(row.input), "blue MARK", source)
    run = Steered(TASK, skilled(TASK), ((EARLY, Add(prompt=Prompt("Say it.", (marked,)))),))
    run.go_on()
    shown = [r for r in run.backends[0].requests if "MARK" in as_text(r.rendered) and r.temperature == 0]

    assert 19 <= len(shown)
    assert not [r for r in shown if asked_row(r) == row.input]


def asked_row(request: Request) -> str:
    """The input that a chat request asks about."""
    return request.rendered if isinstance(request.rendered, str) else request.rendered[-1].content


def test_added_instruction_with_a_dev_row_is_discarded() -> None:
    """A person's instruction that repeats a dev row would know its answer."""
    history, _ = steered((EARLY, Add(prompt=Prompt(f"{TASK.dev[0].input} is red."))))

    assert 1 == history.discards["copied dev row"]
    assert not [c for c in history.candidates.values() if c.origin == "human"]
