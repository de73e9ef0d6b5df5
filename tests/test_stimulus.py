"""Stimuli: what is appended to which instruction, and how often."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo import plugins
from apo.errors import ConfigError
from apo.hygiene import inspect
from apo.prompt import Exemplar, Layout, Prompt
from apo.proposers.stimulus import NEGATIVE, POSITIVE, Stimulus, without_stimulus
from tests.searches import asked, searched

BEST = Prompt("Name it.", (Exemplar("a", "b"),), Layout("flat"))
SENTENCES = [sentence for theory in (*NEGATIVE.values(), *POSITIVE.values()) for sentence in theory]


def test_the_theories_of_the_paper() -> None:
    """Five stimuli express cognitive dissonance, two social comparison, three stress and coping."""
    assert [5, 2, 3] == [len(sentences) for sentences in NEGATIVE.values()]
    assert len(set(SENTENCES)) == len(SENTENCES)


@pytest.mark.parametrize(("tone", "number"), [("negative", 10), ("positive", 5), ("both", 15)])
def test_each_once_after_the_best_instruction(tone: str, number: int) -> None:
    """All stimuli of a tone follow the instruction after a space; the rest stays, and no call is made."""
    view = searched([BEST], [0.5])
    found = plugins.build("proposers", f"stimulus:tone={tone}").propose(view, 99, Random("1"))
    endings = {proposal.prompt.instruction.removeprefix("Name it. ") for proposal in found}

    assert number == len(found) == len(endings)
    assert endings <= set(SENTENCES)
    assert {(BEST.exemplars, BEST.layout)} == {(p.prompt.exemplars, p.prompt.layout) for p in found}
    assert {("c0",)} == {proposal.parents for proposal in found}
    assert [] == asked(view)
    assert (found, []) == inspect(found, view)


def test_what_was_tried_is_not_tried_again() -> None:
    """Stimuli that stand in the history are left out; with none left nothing is proposed."""
    tried = [Prompt(f"Name it. {sentence}") for sentence in SENTENCES]
    some = searched([BEST, *tried[:10]], [0.5] * 11)
    every = searched([BEST, *tried], [0.5] * 16)

    assert set(SENTENCES[10:]) == {
        p.prompt.instruction.removeprefix("Name it. ") for p in Stimulus().propose(some, 99, Random("2"))
    }
    assert [] == Stimulus().propose(every, 99, Random("2"))


def test_a_stimulus_is_replaced_by_another() -> None:
    """Where the best instruction ends with a stimulus already, it does not pile up."""
    view = searched([BEST, Prompt(f"Name it. {SENTENCES[3]}")], [0.2, 0.8])
    found = Stimulus().propose(view, 99, Random("3"))

    assert 14 == len(found)
    assert all(1 == sum(s in p.prompt.instruction for s in SENTENCES) for p in found)
    assert {("c1",)} == {proposal.parents for proposal in found}


@pytest.mark.parametrize("instruction", ["", "  \n", SENTENCES[0], f"{SENTENCES[0]} {SENTENCES[7]}"])
def test_nothing_to_follow(instruction: str) -> None:
    """A prompt without an instruction of its own gets no stimulus."""
    assert [] == Stimulus().propose(searched([Prompt(instruction)], [0.5]), 5, Random("4"))


@given(st.text(), st.lists(st.sampled_from(SENTENCES), max_size=5))
def test_stimuli_come_off_again(text: str, added: list[str]) -> None:
    """However many stimuli were appended, the instruction before them is found."""
    whole = " ".join([text, *added])

    assert without_stimulus(text) == without_stimulus(whole)


def test_unknown_tone_refused() -> None:
    """Only known tones can be asked for."""
    with pytest.raises(ConfigError, match="no tone of stimulus 'rude'"):
        plugins.build("proposers", "stimulus:tone=rude")
