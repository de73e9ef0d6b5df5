"""Hygiene: a proposal that is not worth a call is discarded, with the reason."""

from dataclasses import replace
from typing import Any

import pytest

from apo.backends.scripted import Scripted
from apo.candidate import Candidate, Proposal
from apo.events import Discard
from apo.hygiene import LEAST_COPIED, MOST_CHARACTERS, inspect
from apo.metering import MeteredModel
from apo.prompt import Exemplar, Prompt
from apo.task import Task
from apo.view import SearchView
from tests.helpers import history_of, proposed, started, toy_spec

SEED = Prompt("Name the colour.")


def view(task: Task, **changes: Any) -> SearchView:
    """What the search sees after the seed was proposed."""
    history = history_of(started(task, toy_spec()), *proposed(Candidate("c0", SEED)))
    model = MeteredModel(Scripted(lambda request: ""), 0)
    whole = SearchView(description="", train=task.train, dev=task.dev, history=history, model=model)
    return replace(whole, **changes)


def write(*instructions: str) -> list[Proposal]:
    """Proposals of these instructions."""
    return [Proposal(Prompt(text), ("c0",)) for text in instructions]


def reasons(task: Task, *proposals: Proposal, **changes: Any) -> list[str]:
    """Why proposals are discarded."""
    return [discard.reason for discard in inspect(proposals, view(task, **changes))[1]]


def test_good_kept_in_order(toy_task: Task) -> None:
    """What is worth evaluating comes back as it was, in order."""
    proposals = write("One.", "", "Two.", "Three.")
    kept, discarded = inspect(proposals, view(toy_task))

    assert [proposals[0], *proposals[2:]] == kept
    assert [Discard("empty", "")] == discarded


def test_nothing(toy_task: Task) -> None:
    """No proposal gives no candidate and no discard."""
    assert ([], []) == inspect([], view(toy_task))


@pytest.mark.parametrize(
    "text",
    [
        "<think>Hm</think> Say it.",
        "Say it.</think>",
        "Say it.<|im_end|>",
        "<|start_header_id|>user<|end_header_id|> Say it.",
        "[INST] Say it. [/INST]",
        "<<SYS>> Say it.",
        "<s>Say it.",
        "Say it.</S>",
        "<start_of_turn>user",
        "<INS>Say it.",
        "Say it. </ins>",
        "<prompt>Say it.",
        "Write <answer>x</answer>.",
    ],
    ids=ascii,
)
def test_template_text(toy_task: Task, text: str) -> None:
    """Marks of chat templates and of our own requests are no part of an instruction."""
    assert ["template text"] == reasons(toy_task, *write(text))


@pytest.mark.parametrize(
    "text",
    [
        "x < y and y > z",
        "Write <colour>.",
        "Use [brackets].",
        "a <| b",
        "Think step by step.",
        "{{input}} %s",
    ],
)
def test_harmless_text(toy_task: Task, text: str) -> None:
    """Brackets and braces alone are no template."""
    assert [] == reasons(toy_task, *write(text))


@pytest.mark.parametrize("text", ["", "  \n\t", "\u2003"], ids=ascii)
def test_empty(toy_task: Task, text: str) -> None:
    """A prompt that says and shows nothing is discarded."""
    assert ["empty"] == reasons(toy_task, *write(text))


def test_exemplars_alone(toy_task: Task) -> None:
    """An instruction that a proposer left empty is discarded, exemplars or not."""
    assert ["empty"] == reasons(toy_task, Proposal(Prompt("", (Exemplar("ball", "red"),))))


def test_cut_off(toy_task: Task) -> None:
    """A text that its writer could not finish is discarded."""
    assert ["cut off"] == reasons(toy_task, Proposal(Prompt("Say the colour of the"), cut_off=True))


@pytest.mark.parametrize(("length", "expected"), [(MOST_CHARACTERS, []), (MOST_CHARACTERS + 1, ["too long"])])
def test_too_long(toy_task: Task, length: int, expected: list[str]) -> None:
    """Rambling is discarded, from a fixed length on."""
    assert expected == reasons(toy_task, *write("x" * length))


@pytest.mark.parametrize("wrap", ["{}", "For example: {}!", "  {} "], ids=["whole", "inside", "spaced"])
def test_copied_row(toy_task: Task, wrap: str) -> None:
    """An instruction that holds a dev row would know its rows; case and spaces do not hide it."""
    row = toy_task.dev[3].input.upper().replace(" ", "\n  ")

    assert ["copied dev row"] == reasons(toy_task, *write(wrap.format(row)))


def test_copied_train_row(toy_task: Task) -> None:
    """Train rows may be shown."""
    assert [] == reasons(toy_task, *write(toy_task.train[3].input))


@pytest.mark.parametrize(("length", "expected"), [(LEAST_COPIED - 1, []), (LEAST_COPIED, ["copied dev row"])])
def test_copied_short_row(toy_task: Task, length: int, expected: list[str]) -> None:
    """A very short row stands in many texts by chance."""
    row = replace(toy_task.dev[0], input="y" * length)

    assert expected == reasons(toy_task, *write("Say " + "y" * length), dev=(row,))


def test_duplicate_of_candidate(toy_task: Task) -> None:
    """What is under search already is not tried again."""
    assert ["duplicate"] == reasons(toy_task, Proposal(SEED))


def test_duplicate_of_proposal(toy_task: Task) -> None:
    """The first of two equal proposals is kept."""
    kept, discarded = inspect(write("One.", "One."), view(toy_task))

    assert (write("One."), [Discard("duplicate", "One.")]) == (kept, discarded)


def test_duplicate_reads_the_same(toy_task: Task) -> None:
    """Two descriptions of what the model would read alike are one prompt."""
    labels = replace(SEED, layout=replace(SEED.layout, input_label="Q"))

    assert ["duplicate"] == reasons(toy_task, Proposal(labels))


@pytest.mark.parametrize(
    ("context", "expected"), [(None, []), (2000, []), (300, ["does not fit the context"])]
)
def test_context(toy_task: Task, context: int | None, expected: list[str]) -> None:
    """A prompt that would not fit the model's context is discarded, where that is known."""
    assert expected == reasons(toy_task, *write("Say the colour. " * 60), context=context)


def test_discard_is_short(toy_task: Task) -> None:
    """The text of a discard is shortened."""
    _, (discard,) = inspect(write("x" * 9000), view(toy_task))

    assert ("too long", "x" * 200) == (discard.reason, discard.text)
