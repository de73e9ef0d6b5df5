"""Diverse exemplars: which ones stand for the pool."""

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from apo import plugins
from apo.errors import ConfigError
from apo.exemplars._clusters import clusters
from apo.task import Example
from tests.components.helpers import view_at
from tests.helpers import letters

if TYPE_CHECKING:
    from apo.arrays import Floats

HOSTILE = "[/bold] {{input}} \x00\u202e {}"


def test_clusters_centre_first() -> None:
    """Two heaps are two clusters, each with the point nearest to its mean first."""
    points = np.array([[0.0], [10.0], [1.0], [13.0], [11.0], [2.0]])
    found = clusters(points, 2, Random("1"))

    assert [[2, 0, 5], [4, 1, 3]] == sorted(found, key=min)


@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(-2, 2)),
    st.integers(1, 12),
    st.integers(0, 5),
)
@settings(deadline=None)
def test_clusters_part(points: "Floats", count: int, seed: int) -> None:
    """Every point is in one cluster, none is empty, and there are as many as asked for or as differ."""
    found = clusters(points, count, Random(seed))

    assert list(range(len(points))) == sorted(place for inside in found for place in inside)
    assert min(count, len(np.unique(points, axis=0))) == len(found)
    assert all(found)


def test_clusters_last_digits() -> None:
    """Noise such as an encoder adds when it embeds other texts beside does not change the choice."""
    draws = np.random.default_rng(1)
    points = draws.normal(size=(60, 8))
    noisy = points + draws.normal(scale=1e-9, size=points.shape)

    assert clusters(points, 5, Random("1")) == clusters(noisy, 5, Random("1"))


def test_every_heap_is_shown() -> None:
    """A list of three has one exemplar of each of three kinds of input, however unequal the kinds are."""
    kinds = ["zzzz zz", *["aaaa a" + "!" * n for n in range(12)], *["mmm mm" + "?" * n for n in range(7)]]
    train = tuple(Example(f"row-{n}", text, "red") for n, text in enumerate(kinds))
    view = view_at("unscored", train=train, max_exemplars=3)
    lists = plugins.build("exemplars", "diverse").select(view, view.best, 40, Random("1"))
    threes = [shown for shown in lists if len(shown) == 3]

    assert threes
    assert all({"z", "a", "m"} == {e.input[0] for e in shown} for shown in threes)
    assert {1, 2, 3} == {len(shown) for shown in lists}


def test_hostile_inputs() -> None:
    """Empty, huge and marked-up inputs are clustered like others."""
    texts = ("", HOSTILE, "x" * 100_000, "{q}" * 50, "ball")
    train = tuple(Example(f"row-{n}", text, HOSTILE) for n, text in enumerate(texts))
    view = view_at("unscored", train=train)
    lists = plugins.build("exemplars", "diverse").select(view, view.best, 9, Random("1"))

    assert set(texts) == {e.input for shown in lists for e in shown}


def test_rows_are_bounded() -> None:
    """Of a large pool no more rows are embedded than the option says."""
    asked: list[str] = []

    def embed(texts: Sequence[str]) -> "Floats":
        asked.extend(texts)
        return letters(texts)

    view = view_at("unscored", embed=embed)
    plugins.build("exemplars", "diverse:rows=7").select(view, view.best, 5, Random("1"))

    assert 7 == len(asked)


def test_rows_refused() -> None:
    """No row at all cannot be clustered."""
    with pytest.raises(ConfigError, match="diverse: rows must be at least 1, not 0"):
        plugins.build("exemplars", "diverse:rows=0")
