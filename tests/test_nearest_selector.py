"""The selector of pools: which pools and numbers it gives, and what becomes of a prompt with a pool."""

from dataclasses import replace
from random import Random

import pytest

from apo import events, plugins
from apo.alternations import Move
from apo.candidate import Candidate
from apo.errors import ConfigError
from apo.exemplars import Pool
from apo.moves import propose
from apo.prompt import Prompt
from apo.view import SearchView
from tests.components.helpers import view_at
from tests.helpers import evaluation, history_of, proposed, started, toy_spec, toy_task

TASK = toy_task()


def selected(view: SearchView, count: int = 40, options: str = "") -> list[Pool]:
    """What the selector gives."""
    found: list[Pool] = plugins.build("exemplars", f"nearest:{options}").select(
        view, view.best, count, Random("1")
    )
    return found


def test_every_pool_and_number() -> None:
    """Gold pairs alone and with own outputs, each with every number that the run allows."""
    view = view_at("scored", max_exemplars=5)
    gold = tuple(view.pool()[: len(view.train)])
    found = {(pool.exemplars == gold, pool.nearest) for pool in selected(view)}

    assert {(alone, number) for alone in (True, False) for number in (1, 2, 3, 5)} == found
    assert [1, 2, 3, 5] == sorted(pool.nearest for pool in selected(view_at("unscored", max_exemplars=5)))


def test_rows_are_bounded() -> None:
    """A large pool is cut to so many rows, which keep their order."""
    view = view_at("unscored")
    (exemplars,) = {pool.exemplars for pool in selected(view, options="rows=6")}
    order = view.pool()

    assert 6 == len(exemplars)
    assert list(exemplars) == sorted(exemplars, key=order.index)


def test_rows_refused() -> None:
    """No row is no pool."""
    with pytest.raises(ConfigError, match="nearest: rows must be at least 1, not 0"):
        plugins.build("exemplars", "nearest:rows=0")


def best_of(prompt: Prompt) -> SearchView:
    """A search whose best prompt is this one."""
    seed, one = Candidate("c0", TASK.seed), Candidate("c1", prompt, ("c0",), "nearest", "exemplars")
    done = [evaluation(c, row.id, value) for c, value in (("c0", 0.0), ("c1", 1.0)) for row in TASK.dev]
    answered = events.EvaluationsFinished(evaluations=tuple(done))
    facts = (*proposed(seed), *proposed(one, step=1), answered)
    return replace(view_at("unscored"), history=history_of(started(TASK, toy_spec()), *facts))


def test_children_of_a_pool() -> None:
    """Layouts keep the pool; a selector of lists puts a list of the usual length in its place."""
    view = best_of(Prompt("Count.", tuple(view_at("unscored").pool()), nearest=3))
    layouts = propose(Move("layout", "layout", 4), view, Random("1"))
    lists = propose(Move("exemplars", "mutation", 8), view, Random("1"))
    pools = propose(Move("exemplars", "nearest", 8), view, Random("1"))

    assert {3} == {child.prompt.nearest for child in layouts}
    assert {(None, 8)} == {(child.prompt.nearest, len(child.prompt.exemplars)) for child in lists}
    assert None not in {child.prompt.nearest for child in pools}
