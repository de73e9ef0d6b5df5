"""Prompts that show each input the exemplars nearest to it, from the choice to the model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo import events, words
from apo.backends.scripted import Scripted
from apo.candidate import Candidate, prompt_length
from apo.errors import RunError
from apo.evaluation import Evaluator
from apo.nearest import resolve
from apo.points import points
from apo.prompt import Exemplar, Prompt, as_text, render
from apo.task import Decoding, Example, with_sources
from tests.components.helpers import view_at
from tests.helpers import letters, proposed, toy_task

if TYPE_CHECKING:
    from apo.arrays import Floats

TASK = toy_task()
WORDS = ("one", "two", "three", "four", "five")
POOL = tuple(Exemplar(word, str(number), f"row-{number}") for number, word in enumerate(WORDS, 1))
HOSTILE = "[/bold] {{input}} \x00\u202e {}"


def angles(texts: Sequence[str]) -> "Floats":
    """An encoder for numbers in words: more apart, more different; a tenth of a turn at most."""
    known = {**{word: float(place) for place, word in enumerate(WORDS)}, "two and a half": 1.5, "none": -9.0}
    turns = np.array([known[text] / 10 for text in texts])
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


@dataclass
class Counting:
    """An encoder that remembers what it was asked."""

    asked: list[list[str]] = field(default_factory=list)

    def __call__(self, texts: Sequence[str]) -> "Floats":
        """The points of the texts."""
        self.asked.append(list(texts))
        return letters(texts)


def shown(nearest: int | None, text: str, source: str = "", pool: tuple[Exemplar, ...] = POOL) -> list[str]:
    """The outputs of the exemplars that an input is shown, in order."""
    resolved = resolve(Prompt("Count.", pool, nearest=nearest), text, source, angles)
    assert resolved.nearest is None
    return [e.output for e in resolved.exemplars]


def test_nearest_last() -> None:
    """The most similar stand beside the input, each in its turn."""
    assert ["3", "4", "5"] == shown(3, "five")
    assert ["5", "4", "3", "2", "1"] == shown(9, "none")


def test_fixed_list() -> None:
    """A list that is not a pool stays as it is, and nothing is embedded."""
    assert ["1", "2", "3", "4", "5"] == shown(None, "a text that the encoder does not know")


def test_equally_near() -> None:
    """Of equally near exemplars the first of the pool is nearer."""
    assert ["2"] == shown(1, "two and a half")
    assert ["3"] == shown(1, "two and a half", pool=POOL[::-1])


@pytest.mark.parametrize("source", ["row-3", "row-99"], ids=["its own row", "a row with the same input"])
def test_own_answer_left_out(source: str) -> None:
    """A row is never shown its own answer, and is shown as many others as any input."""
    assert ["4", "2"] == shown(2, "three", source)
    assert ["2", "3"] == shown(2, "three")


@given(
    st.lists(st.text(max_size=6), min_size=1, max_size=8),
    st.integers(1, 10),
    st.text(max_size=6),
    st.sampled_from(["", "row-0", "row-7"]),
)
def test_any_text(inputs: list[str], nearest: int, text: str, source: str) -> None:
    """Whatever the texts say, an input is shown so many distinct members of the pool that are not its own."""
    pool = tuple(Exemplar(each, HOSTILE, f"row-{place}") for place, each in enumerate(inputs))
    allowed = [e for e in pool if not source or (e.source != source and e.input != text)]
    found = resolve(Prompt(HOSTILE, pool, nearest=nearest), text, source, letters).exemplars

    assert set(found) <= set(allowed)
    assert min(nearest, len(allowed)) == len(set(found)) == len(found)


@pytest.mark.parametrize("nearest", [0, -1])
def test_number_refused(nearest: int) -> None:
    """None of a pool is no way to show it."""
    with pytest.raises(ValueError, match=f"nearest must be at least 1, .*, not {nearest}"):
        Prompt("Count.", POOL, nearest=nearest)


def test_digest() -> None:
    """Another number is another prompt, and a pool is not the list of its members."""
    prompts = [Prompt("Count.", POOL, nearest=nearest) for nearest in (None, 1, 2, 5)]

    assert 4 == len({prompt.digest for prompt in prompts})


def test_points() -> None:
    """For a surrogate another number is another point, and so are a pool and its list."""
    prompts = [Prompt("Count.", POOL, nearest=nearest) for nearest in (None, 1, 2, 5)]
    values = points(prompts, letters).values

    assert 4 == len({tuple(row.tolist()) for row in values})


def test_length_is_of_what_is_shown() -> None:
    """A prompt is as long as the longest exemplars that an input may be shown."""
    lengths = [prompt_length(Candidate("c1", Prompt("", POOL, nearest=n))) for n in (None, 1, 2, 9)]

    assert [24, 6, 11, 24] == lengths


def test_fits_by_what_is_shown() -> None:
    """A pool that no context holds fits where the longest ones that are shown do."""
    view = view_at("unscored", context=250)
    pool = tuple(Exemplar(f"{number}" * 100, "red", f"row-{number}") for number in range(10, 99))

    assert view.fits(Prompt("Count.", pool, nearest=1))
    assert not view.fits(Prompt("Count.", pool, nearest=2))


def test_old_journal() -> None:
    """A journal from before pools has prompts with fixed lists."""
    record = events.Record(0, 0.0, proposed(Candidate("c0", Prompt("Count.", POOL)))[1])
    old = events.to_json(record).replace(b',"nearest":null', b"")

    assert b"nearest" not in old
    assert record == events.from_json(old)


def test_evaluated() -> None:
    """Each row is sent with its own neighbours, and a prepared evaluator embeds nothing new."""
    rows = tuple(Example(e.source, e.input, e.output) for e in POOL)
    candidate = Candidate("c1", Prompt("Count.", POOL, nearest=2))
    backend = Scripted(lambda _: "1")
    evaluator = Evaluator(backend, TASK.scorer, Decoding(), embed=angles)
    list(evaluator.evaluate([(candidate, row) for row in rows]))
    lists = [("3", "2"), ("3", "1"), ("4", "2"), ("5", "3"), ("3", "4")]
    chosen = [tuple(next(e for e in POOL if e.output == output) for output in outputs) for outputs in lists]

    assert [render(Prompt("Count.", found), row.input) for found, row in zip(chosen, rows, strict=True)] == [
        request.rendered for request in backend.requests
    ]


def test_prepared_at_once() -> None:
    """Pool and rows of all pairs are embedded in one call, each text once; fixed lists ask for nothing."""
    embed = Counting()
    evaluator = Evaluator(Scripted(lambda _: "1"), TASK.scorer, Decoding(), embed=embed)
    rows = [Example(f"d-{n}", text, "1") for n, text in enumerate(("x", "y", "one"))]
    fixed, pool = Candidate("c1", Prompt("A", POOL)), Candidate("c2", Prompt("A", POOL, nearest=1))
    evaluator.prepare([(fixed, row) for row in rows])

    assert [] == embed.asked
    evaluator.prepare([(candidate, row) for row in rows for candidate in (fixed, pool)])
    assert [["x", "y", "one", "two", "three", "four", "five"]] == embed.asked


def test_encoder_that_fails() -> None:
    """An encoder that cannot be loaded ends the run with what failed."""

    def broken(texts: Sequence[str]) -> "Floats":
        raise OSError("no such model")

    evaluator = Evaluator(Scripted(lambda _: "1"), TASK.scorer, Decoding(), embed=broken)
    with pytest.raises(RunError, match="The sentence encoder failed: OSError: no such model"):
        evaluator.prepare([(Candidate("c1", Prompt("A", POOL, nearest=1)), TASK.dev[0])])


def test_told() -> None:
    """People read how many of how many are shown."""
    pool, fixed = Prompt("", POOL, nearest=2), Prompt("", POOL)

    assert ("2 nearest of 5", "5") == (words.exemplars(pool), words.exemplars(fixed))
    assert words.nearest(pool).startswith("Of these 5 exemplars each input is shown the 2 nearest")
    assert "" == words.nearest(fixed)


def test_sources_found_again() -> None:
    """A pool that a person wrote names its rows, so leave-one-out holds."""
    row = TASK.dev[0]
    prompt = with_sources(Prompt("A", (Exemplar(row.input, "red"), *POOL), nearest=1), TASK.dev)
    seen = as_text(render(resolve(prompt, row.input, row.id, letters), row.input, row.id))

    assert (row.id, 1) == (prompt.exemplars[0].source, prompt.nearest)
    assert "red" not in seen
