"""Target: which score is asked for, what is shown with it, and the warm start."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo import plugins
from apo.backends import Completion
from apo.candidate import Usage
from apo.errors import ConfigError
from apo.prompt import Exemplar, Prompt
from apo.proposers.target import HIGHEST, LOWEST, Target, target
from tests.searches import asked, searched

shares = st.floats(0, 1)


@pytest.mark.parametrize(("alpha", "wanted"), [(0.1, 0.92), (-0.2, 0.86), (0.01, 0.902), (-1.0, 0.7)])
def test_worked_targets(alpha: float, wanted: float) -> None:
    """Between .7 and .9: a tenth of the range above the best is .92, a fifth below it .86."""
    assert wanted == pytest.approx(target([0.7, 0.9, 0.8], alpha))


@pytest.mark.parametrize(
    ("scores", "alpha", "wanted"),
    [
        pytest.param([0.5, 0.98], 0.1, 0.9848, id="next_lower_alpha"),
        pytest.param([0.2, 1.0], 0.1, 0.9992, id="below_the_best"),
        pytest.param([0.2, 1.0], -0.05, 0.96, id="reachable_at_once"),
        pytest.param([0.6, 0.6], 0.1, 0.606, id="flat"),
        pytest.param([0.0, 0.0], 0.1, 0.01, id="all_zero"),
        pytest.param([0.0, 0.0], -0.2, LOWEST, id="hard_stop_low"),
        pytest.param([1.0, 1.0], -0.0001, 0.999, id="flat_at_the_top"),
        pytest.param([0.99995, 0.99996], -0.1, HIGHEST, id="hard_stop_high"),
    ],
)
def test_targets_out_of_reach(scores: list[float], alpha: float, wanted: float) -> None:
    """A target that cannot be reached is lowered, and cut to the bounds in the end."""
    assert wanted == pytest.approx(target(scores, alpha))


@given(st.lists(shares, min_size=1), st.floats(-1, 1))
def test_target_is_always_reachable(scores: list[float], alpha: float) -> None:
    """Whatever the scores and alpha, the target is an accuracy, and not above what alpha asks for."""
    assert LOWEST <= target(scores, alpha) <= HIGHEST


def test_each_request_has_an_order_of_its_own() -> None:
    """Every request shows all instructions with their scores, in different orders, and the target."""
    prompts = [Prompt(f"Text {n}.") for n in range(5)]
    view = searched(prompts, [0.1, 0.2, 0.3, 0.4, 0.5])
    found = Target(alpha=0.1).propose(view, 6, Random("1"))
    orders = {tuple(sorted(range(5), key=lambda n: text.index(f"Text {n}."))) for text in asked(view)}

    assert len(orders) > 3
    assert all(f"Text {n}.\nScore: {10 * n + 10}.0" in text for n in range(5) for text in asked(view))
    assert all("reaches a score of 54.0" in text for text in asked(view))
    assert {"asked for a score of 54.0"} == {proposal.note for proposal in found}
    assert {("c4",)} == {proposal.parents for proposal in found}


def test_only_the_best_are_shown() -> None:
    """With more instructions than are shown, the worst are left out, and the range is of those shown."""
    view = searched([Prompt(f"Text {n}.") for n in range(5)], [0.1, 0.2, 0.3, 0.4, 0.5])
    Target(alpha=1.0, shown=2).propose(view, 1, Random("2"))

    assert ["Text 3.", "Text 4."] == sorted(f"Text {n}." for n in range(5) if f"Text {n}." in asked(view)[0])
    assert "a score of 60.0" in asked(view)[0]


def test_warm_start_is_one_call() -> None:
    """While the seed's is the only instruction, one call asks for several from the description alone."""
    reply = "Sure!\n<INS>Name it.</INS>\n<INS>\nSay it.\n</INS> <ins>Tell it.</ins><INS>More.</INS> <INS>cut"
    view = searched([Prompt("Go."), Prompt("Go.", (Exemplar("x", "y"),))], [0.2, 0.4], lambda _: reply)
    found = Target().propose(view, 3, Random("3"))

    assert ["Name it.", "Say it.", "Tell it."] == [proposal.prompt.instruction for proposal in found]
    assert {("c1",)} == {proposal.parents for proposal in found}
    assert {(Exemplar("x", "y"),)} == {proposal.prompt.exemplars for proposal in found}
    assert 1 == len(asked(view))
    assert "3 different instructions" in asked(view)[0]
    assert view.description in asked(view)[0]
    assert not any(row.input in asked(view)[0] for row in (*view.train, *view.dev))


@pytest.mark.parametrize(
    ("reply", "cut_off", "texts"),
    [
        pytest.param("1. Name it.\n2) Say it.\n", False, ["Name it.", "Say it."], id="numbers"),
        pytest.param("Here:\n- Name it.\n- Say", True, ["Name it."], id="bullets_cut_off"),
        pytest.param("Name it in 2. person.", False, ["Name it in 2. person."], id="no_list"),
        pytest.param("Name", True, [], id="only_one_and_cut_off"),
        pytest.param('1. "Name it."\n10. Instruction: Say it.', False, ["Name it.", "Say it."], id="wrapped"),
    ],
)
def test_unmarked_lists_are_read(reply: str, cut_off: bool, texts: list[str]) -> None:
    """A model that forgets the marks and writes a list is understood; what is not whole is left out."""
    view = searched([Prompt("Go.")], [0.2], lambda _: Completion(reply, Usage(), cut_off=cut_off))
    found = Target().propose(view, 8, Random("4"))

    assert texts == [proposal.prompt.instruction for proposal in found]


@pytest.mark.parametrize("options", ["alpha=1.5", "alpha=nan", "alpha=-2", "shown=1"])
def test_options_refused(options: str) -> None:
    """Options that make no target are refused."""
    with pytest.raises(ConfigError, match="alpha must lie between -1 and 1"):
        plugins.build("proposers", f"target:{options}")
