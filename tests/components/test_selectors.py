"""What every exemplar selector keeps to, and the pool that it chooses from."""

from collections.abc import Sequence
from dataclasses import is_dataclass, replace
from random import Random
from typing import Any

import pytest

from apo import plugins
from apo.backends.scripted import Scripted
from apo.candidate import Candidate
from apo.evaluation import Evaluator
from apo.exemplars import Pool, Selection
from apo.moves import showing
from apo.prompt import Exemplar, as_text
from apo.task import as_exemplars
from apo.view import SearchView
from tests.components.helpers import PARENT, STAGES, spoken, state, view_at
from tests.helpers import folded, letters, toy_task

NAMES = plugins.names("exemplars")
Lists = Sequence[Selection]


def select(name: str, view: SearchView, count: int = 8, seed: str = "1") -> Lists:
    """The lists of one selector with its default options, for the best prompt."""
    lists: Lists = plugins.build("exemplars", name).select(view, view.best, count, Random(seed))
    return lists


def members(selection: Selection) -> tuple[Exemplar, ...]:
    """The exemplars of a list, or of a pool."""
    return selection.exemplars if isinstance(selection, Pool) else selection


def most_shown(selection: Selection) -> int:
    """How many exemplars an input is shown at most."""
    return selection.nearest if isinstance(selection, Pool) else len(selection)


def check_rules(lists: Lists, view: SearchView, count: int) -> None:
    """At most `count` lists, none too long, each of distinct rows of the pool."""
    pool = set(view.pool())
    assert len(lists) <= count
    for selection in lists:
        exemplars = members(selection)
        assert isinstance(exemplars, tuple)
        assert most_shown(selection) <= min(len(exemplars), view.max_exemplars)
        assert set(exemplars) <= pool
        assert len(exemplars) == len({e.source for e in exemplars})


@pytest.mark.parametrize("name", NAMES)
def test_is_frozen_dataclass(name: str) -> None:
    """A selector is a dataclass with a line that says what it does."""
    found: Any = plugins.build("exemplars", name)

    assert is_dataclass(found)
    assert type(found).__doc__
    assert hash(found) == hash(plugins.build("exemplars", name))


@pytest.mark.parametrize("count", [0, 1, 5, 40])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", NAMES)
def test_rules_kept(name: str, stage: str, count: int) -> None:
    """The lists keep to the rules at any point of a search."""
    view = view_at(stage)

    check_rules(select(name, view, count), view, count)


@pytest.mark.parametrize("most", [0, 1, 2, 16])
@pytest.mark.parametrize("stage", ["scored", "failed"])
@pytest.mark.parametrize("name", NAMES)
def test_most_exemplars(name: str, stage: str, most: int) -> None:
    """No list is longer than the run allows."""
    view = view_at(stage, max_exemplars=most)

    check_rules(select(name, view), view, 8)


@pytest.mark.parametrize("most", [0, 1, 16])
@pytest.mark.parametrize("name", NAMES)
def test_pool_of_one(name: str, most: int) -> None:
    """A pool of one row is enough."""
    view = view_at("unscored", train=toy_task().train[:1], max_exemplars=most)
    lists = select(name, view)
    check_rules(lists, view, 8)

    assert all(len(members(selection)) <= min(1, most) for selection in lists)


@pytest.mark.parametrize("context", [1, 64, 200, 300])
@pytest.mark.parametrize("stage", ["scored", "shown", "searched"])
@pytest.mark.parametrize("name", NAMES)
def test_tiny_context(name: str, stage: str, context: int) -> None:
    """A context that holds few exemplars or none is no error."""
    view = view_at(stage, context=context)

    check_rules(select(name, view), view, 8)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", NAMES)
def test_repeatable(name: str, stage: str) -> None:
    """The same view and draws give the same lists."""
    first, again = select(name, view_at(stage), seed="5"), select(name, view_at(stage), seed="5")

    assert first == again


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", NAMES)
def test_view_unchanged(name: str, stage: str) -> None:
    """Selecting leaves the history as it was."""
    view = view_at(stage)
    before = state(view.history)
    select(name, view)

    assert before == folded(view.history)


@pytest.mark.parametrize("name", NAMES)
def test_shows_exemplars(name: str) -> None:
    """With room and a pool, a selector has at least one list that is not empty."""
    lists = select(name, view_at("scored"))

    assert any(most_shown(selection) for selection in lists)


def test_pool_is_train_without_answers() -> None:
    """Before anything is answered the pool is the gold pairs of train, in order."""
    view = view_at("unscored")
    gold = as_exemplars(view.train)

    assert gold == view.pool()


def test_pool_ignores_failures() -> None:
    """A row that got no answer adds nothing to the pool."""
    view = view_at("failed")

    assert len(view.train) == len(view.pool())


def test_own_outputs_in_pool() -> None:
    """Fully correct outputs are in the pool as they were written, under the id of their dev row."""
    view = view_at("scored")
    right = [row for place, row in enumerate(view.dev) if place % 2 == 0]
    wanted = [Exemplar(row.input, spoken(row.input, row.target), row.id) for row in right]

    assert wanted == view.pool()[len(view.train) :]


def test_pool_texts_once() -> None:
    """Candidates with the same output on a row add one exemplar."""
    pool = view_at("searched").pool()

    assert len(pool) == len(set(pool))
    assert PARENT == tuple(pool[:2])


def test_pool_has_every_wording() -> None:
    """Two right outputs on one row are two exemplars of that row."""
    view = view_at("shown")
    said = [e.output for e in view.pool() if e.source == view.dev[0].id]

    assert 2 == len(set(said)) == len(said)


def test_no_test_rows() -> None:
    """A view has no test split, and its pool names no test row."""
    view = view_at("searched")
    sealed = {row.id for row in toy_task().test}

    assert not hasattr(view, "test")
    assert not sealed & {e.source for e in view.pool()}


@pytest.mark.parametrize("name", NAMES)
def test_own_answer_never_shown(name: str) -> None:
    """A dev row whose output became an exemplar is asked without it, though others are asked with it."""
    view, task = view_at("scored"), toy_task()
    dev_ids = {row.id for row in task.dev}
    # Train is nearly left out, so that exemplars come from dev rows.
    lists = select(name, replace(view, train=task.train[:1]), 12)
    chosen = max(lists, key=lambda selection: sum(e.source in dev_ids for e in members(selection)))
    shown, backend = members(chosen), Scripted(lambda _: "red")
    candidate = Candidate("c1", showing(task.seed, chosen))
    evaluator = Evaluator(backend, task.scorer, task.decoding, embed=letters)
    list(evaluator.evaluate([(candidate, row) for row in task.dev]))
    texts = {row.id: as_text(r.rendered) for row, r in zip(task.dev, backend.requests, strict=True)}
    hidden = {(row, e.source) for row, text in texts.items() for e in shown if e.output not in text}
    own = {(e.source, e.source) for e in shown if e.source in dev_ids}

    assert own
    assert own <= hidden
    for row in task.dev:
        others = sum(e.source != row.id for e in shown)
        assert min(most_shown(chosen), others) == len(shown) - sum(asked == row.id for asked, _ in hidden)
