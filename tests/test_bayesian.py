"""Bayesian optimization over exemplar lists."""

from random import Random
from statistics import fmean

import pytest

from apo import plugins
from apo.exemplars.bayesian import Bayesian
from apo.exemplars.random_search import RandomSearch
from tests.components.helpers import view_at


def test_better_than_drawn() -> None:
    """After a search in which more exemplars were better, its lists are longer than drawn ones."""
    view = view_at("searched")
    found = Bayesian(acquisition="upper_confidence:beta=0").select(view, view.best, 6, Random(1))
    drawn = RandomSearch().select(view, view.best, 40, Random(1))

    assert 6 == len(set(found))
    assert fmean(len(shown) for shown in found) > 1.3 * fmean(len(shown) for shown in drawn)


def test_nothing_twice() -> None:
    """What was tried with the parent's instruction and layout is not proposed again."""
    view = view_at("searched")
    tried = {
        c.prompt.exemplars
        for c in view.history.candidates.values()
        if c.prompt.layout == view.best.prompt.layout
    }
    for seed in range(3):
        assert not tried & set(Bayesian().select(view, view.best, 8, Random(seed)))


def test_nothing_learned() -> None:
    """Before anything is known it draws like random search."""
    assert 5 == len(Bayesian().select(view_at("unscored"), view_at("unscored").best, 5, Random(1)))


@pytest.mark.parametrize("option", ["drawn=0", "kept=0", "rounds=-1"])
def test_options(option: str) -> None:
    """Options that mean nothing are refused by name."""
    with pytest.raises(Exception, match="drawn and kept must be at least 1"):
        plugins.build("exemplars", f"bayesian:{option}")
