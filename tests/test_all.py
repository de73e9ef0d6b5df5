"""The whole pool as exemplars, as far as limit and context go."""

from dataclasses import replace
from random import Random

import pytest

from apo import plugins
from apo.errors import ConfigError
from apo.prompt import Exemplar
from apo.view import SearchView
from tests.components.helpers import view_at
from tests.helpers import toy_task


def whole(view: SearchView, count: int = 16, options: str = "") -> list[tuple[Exemplar, ...]]:
    """What `all` shows."""
    lists: list[tuple[Exemplar, ...]] = plugins.build("exemplars", f"all:{options}").select(
        view, view.best, count, Random("1")
    )
    return lists


def test_every_row_in_several_orders() -> None:
    """Each list has every row of train; the lists differ in their order alone."""
    view = view_at("unscored", max_exemplars=1000)
    lists = whole(view)

    assert 4 == len(lists) == len(set(lists))
    assert all(set(view.pool()) == set(shown) and len(shown) == len(view.train) for shown in lists)


def test_limit_keeps_answers_even() -> None:
    """Where the run allows fewer than there are, both answers are shown equally often."""
    for shown in whole(view_at("unscored", max_exemplars=8)):
        assert ["blue"] * 4 + ["red"] * 4 == sorted(e.output for e in shown)


def test_context_is_filled() -> None:
    """In a small context a list is as long as fits: one more exemplar would not."""
    same = tuple(replace(row, target="red") for row in toy_task().train)
    view = view_at("unscored", train=same, max_exemplars=1000, context=300)
    prompts = [replace(view.best.prompt, exemplars=shown) for shown in whole(view)]
    longer = [replace(p, exemplars=(*p.exemplars, p.exemplars[0])) for p in prompts]

    assert all(p.exemplars and view.fits(p) for p in prompts)
    assert not any(view.fits(p) for p in longer)


def test_orders_refused() -> None:
    """No order is no list."""
    with pytest.raises(ConfigError, match="all: orders must be at least 1, not 0"):
        plugins.build("exemplars", "all:orders=0")
