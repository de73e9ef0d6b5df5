"""Evolution: who is bred, what the model is asked, and whose child it is."""

from random import Random

import pytest

from apo import plugins
from apo.errors import ConfigError
from apo.prompt import Prompt
from apo.proposers.evolution import Evolution
from apo.view import SearchView
from tests import searches
from tests.searches import asked

TEXTS = ("Name it.", "Say the colour.", "Which colour is it?", "Colour, please.")


def searched(scores: tuple[float, ...]) -> SearchView:
    """A search whose candidates have instructions of their own and score this on every dev row."""
    return searches.searched([Prompt(text) for text in TEXTS[: len(scores)]], scores)


@pytest.mark.parametrize("kind", ["ga", "de"])
def test_children_name_their_parents(kind: str) -> None:
    """Each child differs, holds what the model wrote, and names those it was bred from."""
    view = searched((0.2, 0.4, 0.6, 0.8))
    children = plugins.build("proposers", f"evolution:kind={kind}").propose(view, 6, Random("1"))

    assert 6 == len({child.prompt.instruction for child in children})
    for child, request in zip(children, asked(view), strict=True):
        shown = {f"c{n}" for n, text in enumerate(TEXTS) if text in request}
        assert set(child.parents) - {"c3"} <= shown
        assert len(set(child.parents)) == len(child.parents) >= 2


def test_better_parents_are_drawn_more_often() -> None:
    """A parent that scores nothing is never drawn first while others score; the best is drawn most."""
    view = searched((0.0, 0.1, 0.9))
    Evolution().propose(view, 100, Random("2"))
    first = [request.partition("Instruction 1: ")[2].splitlines()[0] for request in asked(view)]

    assert TEXTS[0] not in first
    assert first.count(TEXTS[2]) > 70


def test_all_zero_is_no_obstacle() -> None:
    """Where nothing scores, parents are drawn alike."""
    view = searched((0.0, 0.0, 0.0))

    assert 5 == len(Evolution().propose(view, 5, Random("3")))


def test_one_instruction_breeds_nothing() -> None:
    """A single instruction has nobody to be crossed with, and no call is spent."""
    view = searched((0.5,))

    assert [] == Evolution().propose(view, 5, Random("4"))
    assert [] == asked(view)


@pytest.mark.parametrize("options", ["population=1", "kind=xx"])
def test_options_refused(options: str) -> None:
    """Options that breed nothing are refused."""
    with pytest.raises(ConfigError, match="evolution"):
        plugins.build("proposers", f"evolution:{options}")
