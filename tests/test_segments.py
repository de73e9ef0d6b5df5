"""GSPO: an instruction in parts, the part that is changed, and what the change is compared on."""

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.backends import Request
from apo.backends.scripted import Scripted
from apo.candidate import Failure
from apo.errors import ConfigError
from apo.metering import MeteredModel
from apo.prompt import Prompt, as_text
from apo.proposers._examples import Examples, compare
from apo.proposers._segments import NAMES, read, segmented
from apo.proposers.segments import Segments
from apo.scorers import Choice
from apo.view import SearchView
from apo.whitebox import WhiteBox
from apo.whitebox.framing import tokens
from tests.searches import searched
from tests.whiteboxes import box, tiny

BANKS = {
    "role": ("", "You know.", "You know. You care."),
    "task": ("Name it.",),
    "format": ("", "One word.", "Be brief."),
    "guidance": ("", "For example:\nred"),
}
SEED = Prompt("Name the colour.")


def view(answer: Any = lambda _: "red", prompt: Prompt = SEED, **changes: Any) -> tuple[SearchView, Scripted]:
    """A search whose seed is measured, and who answers as its task model."""
    backend = Scripted(answer)
    found = replace(searched([prompt], [0.5]), whitebox=box(), scorer=Choice(("red", "blue")))
    return replace(found, model=MeteredModel(backend, 1000), **changes), backend


@given(
    st.tuples(*(st.integers(0, 2) for _ in NAMES)),
    st.sampled_from(["Name it.", "Say.\nNow.", "One word. Go."]),
)
def test_parts_are_found_again(chosen: tuple[int, ...], task: str) -> None:
    """Whatever the parts, the instruction reads the same, and is parted as it was put together."""
    texts = [BANKS[name][n % len(BANKS[name])] for name, n in zip(NAMES, chosen, strict=True)]
    texts[1] = task
    instruction = "\n".join(filter(None, texts))
    found = segmented(instruction, BANKS)

    assert instruction == found.instruction
    assert tuple(texts) == found.parts
    assert all(set(BANKS[name]) <= set(there) for name, there in zip(NAMES, found.texts, strict=True))


def test_rounds_lower_the_loss_on_one_batch() -> None:
    """Each prompt's loss, computed anew, is below that of the one before; the seed's is the highest."""
    search, backend = view()
    found = Segments(rounds=3, rows=4).propose(search, 8, Random("1"))
    examples = Examples(view()[0], tiny(), SEED, search.train[-4:])
    line = [SEED.instruction, *(p.prompt.instruction for p in reversed(found))]
    values = compare(examples, [tokens(tiny(), text) for text in line], 0.0, 1.0, "loss").values

    assert found
    assert sorted(values, reverse=True) == values
    assert len(set(values)) == len(values)
    assert not backend.requests


def test_one_part_changes_a_round() -> None:
    """The instruction differs from the one before in one part, which the note names."""
    search, _ = view()
    found = Segments(rounds=1, rows=4).propose(search, 8, Random("1"))

    assert len(found) == 1
    assert any(name in found[0].note for name in NAMES)
    assert SEED.instruction in found[0].prompt.instruction or "another task" in found[0].note


def likes_brevity(request: Request) -> str:
    """A model that is right where it is told to be brief, in the format's own place."""
    text = as_text(request.rendered)
    number = int(text.rpartition("ball ")[2][:4])
    return ("red", "blue")[number % 2] if "label only" in text else "a colour"


def test_without_gradients_the_answers_count() -> None:
    """No weights are opened; the text of the one part that helps is found within a round of all parts."""
    search, backend = view(likes_brevity, whitebox=WhiteBox())
    found = Segments(gradient=False, rounds=4, rows=4).propose(search, 8, Random("1"))

    assert "Give the label only." in found[0].prompt.instruction
    assert "1.000 to 0.000" in found[0].note
    assert len(backend.requests) == search.model.spend.calls
    assert not Segments(gradient=False).opens_weights
    assert Segments().opens_weights


@pytest.mark.parametrize("allowance", [0, 7, 8, 11, 30])
def test_calls_are_bounded(allowance: int) -> None:
    """A comparison that cannot be paid is not begun."""
    search, backend = view(likes_brevity)
    search = replace(search, model=MeteredModel(backend, allowance))
    Segments(gradient=False, rows=4).propose(search, 8, Random("1"))

    assert len(backend.requests) <= allowance
    assert len(backend.requests) % 4 == 0


def test_a_model_that_is_down() -> None:
    """Without answers no prompt is better than the current one."""
    search, _ = view(lambda _: Failure("timeout", "slow"))

    assert Segments(gradient=False, rows=4).propose(search, 8, Random("1")) == []


def test_texts_of_ones_own(tmp_path: Path) -> None:
    """A file gives the texts; parts that it does not name stay as they are."""
    file = tmp_path / "texts.yaml"
    file.write_text("format: ['Give the label only.', 'Sing.']\nrole: ['']\n")
    search, _ = view(likes_brevity)
    found = Segments(gradient=False, rounds=4, rows=4, texts=str(file)).propose(search, 8, Random("1"))

    assert ["Name the colour.\nGive the label only."] == [p.prompt.instruction for p in found]


@pytest.mark.parametrize("content", ["- a", "mood: [a]", "role: []", "role: [1]", "{"])
def test_broken_texts(tmp_path: Path, content: str) -> None:
    """Another file is refused with its name."""
    file = tmp_path / "texts.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"texts\.yaml"):
        read(file)
