"""Tasks: rows are dealt into three splits that share no input, and a task has an identity."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.errors import DataError
from apo.scorers import Exact, Numeric
from apo.task import Decoding, Example, Score, Sizes, Task, check_rows, split
from tests.helpers import toy_task as make_task

DEFAULT = Sizes()


def rows(count: int, kind: str = "row") -> list[Example]:
    """Some distinct rows."""
    return [Example(f"{kind}-{n}", f"{kind} number {n}", str(n)) for n in range(count)]


def lengths(count: int, sizes: Sizes = DEFAULT, test: int | None = None) -> tuple[int, ...]:
    """The sizes of train, dev and test for so many rows."""
    sealed = None if test is None else rows(test, "test")
    return tuple(len(part) for part in split(rows(count), sizes, sealed))


def test_accepted_defaults_to_target() -> None:
    """Without references the target is the only right answer."""
    assert Example("1", "in", "out").accepted == ("out",)


def test_accepted_references() -> None:
    """References replace the target as the accepted answers."""
    assert Example("1", "in", "out", ("a", "b")).accepted == ("a", "b")


@pytest.mark.parametrize(
    ("count", "expected"),
    [(6, (2, 2, 2)), (7, (3, 2, 2)), (20, (5, 7, 8)), (100, (25, 35, 40)), (1000, (700, 100, 200))],
    ids=str,
)
def test_split_default_shares(count: int, expected: tuple[int, ...]) -> None:
    """Dev gets 35 % up to 100 rows, test 40 % up to 200, train the rest."""
    assert expected == lengths(count)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (Sizes(dev=10), (50, 10, 40)),
        (Sizes(test=10), (55, 35, 10)),
        (Sizes(train=5), (5, 35, 40)),
        (Sizes(train=1, dev=1, test=98), (1, 1, 98)),
    ],
    ids=["dev", "test", "train", "all"],
)
def test_split_asked_sizes(sizes: Sizes, expected: tuple[int, ...]) -> None:
    """Asked sizes are met exactly."""
    assert expected == lengths(100, sizes)


@pytest.mark.parametrize(
    ("test", "sizes", "expected"),
    [
        (300, Sizes(), (50, 50, 200)),
        (300, Sizes(test=300), (50, 50, 300)),
        (300, Sizes(test=7), (50, 50, 7)),
        (1, Sizes(), (50, 50, 1)),
        (1, Sizes(test=1), (50, 50, 1)),
    ],
    ids=["default", "all", "few", "one", "one-asked"],
)
def test_split_given_test(test: int, sizes: Sizes, expected: tuple[int, ...]) -> None:
    """A test file of its own is sealed whole, up to 200 rows, and never mixed with the others."""
    assert expected == lengths(100, sizes, test)


def test_split_given_test_not_mixed() -> None:
    """Rows of a test file stay in test, and no other row joins them."""
    train, dev, test = split(rows(20), test=rows(20, "test"))

    assert all(row.id.startswith("row-") for row in (*train, *dev))
    assert all(row.id.startswith("test-") for row in test)


@given(st.integers(6, 300), st.integers(0, 3))
def test_split_partitions(count: int, seed: int) -> None:
    """No row is lost or dealt twice."""
    parts = split(rows(count), Sizes(seed=seed))
    dealt = sorted(row.id for part in parts for row in part)

    assert sorted(row.id for row in rows(count)) == dealt


def test_split_seed() -> None:
    """The same seed deals the same rows, another seed other ones."""
    first, again, other = (split(rows(50), Sizes(seed=seed)) for seed in (1, 1, 2))

    assert first == again
    assert first != other


@pytest.mark.parametrize("count", [0, 1, 5])
def test_split_too_few_rows(count: int) -> None:
    """Fewer than six rows are refused, with both numbers."""
    with pytest.raises(DataError, match=rf"^{count} rows are too few.*at least 6"):
        split(rows(count))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (Sizes(dev=0), "The dev split must have between 1 and 9 rows here, not 0"),
        (Sizes(test=-1), "The test split must have between 1 and 9 rows here, not -1"),
        (Sizes(test=10), "The test split must have between 1 and 9 rows here, not 10"),
        (Sizes(train=9), "The train split must have between 1 and 3 rows here, not 9"),
        (Sizes(dev=6, test=4), "leave a split empty: train 0, dev 6, test 4 of 10 rows"),
        (Sizes(dev=9, test=9), "leave a split empty"),
    ],
    ids=["zero", "negative", "all", "train", "no-train", "overlapping"],
)
def test_split_sizes_refused(sizes: Sizes, message: str) -> None:
    """Sizes that do not fit are refused, saying what would."""
    with pytest.raises(DataError, match=message):
        split(rows(10), sizes)


def test_split_empty_test() -> None:
    """A test file without rows is refused."""
    with pytest.raises(DataError, match="test 0"):
        split(rows(10), test=[])


def test_disjoint_names_both_rows() -> None:
    """The same input in two splits is refused, naming both rows and the way out."""
    with pytest.raises(DataError, match=r"'a' and 'b' have the same input.*--drop-duplicates"):
        check_rows([Example("a", "one  two", "x")], [Example("b", " one\ntwo ", "y")])


def test_ids_unique() -> None:
    """An id names one row of the whole task."""
    with pytest.raises(DataError, match="Two rows have the id 'a'"):
        check_rows([Example("a", "one", "x")], [Example("b", "two", "x")], [Example("a", "three", "y")])


def test_disjoint_within_split() -> None:
    """A repetition inside one split is no leak."""
    check_rows([Example("a", "one", "x"), Example("b", "one", "y")], [Example("c", "two", "x")])


def test_disjoint_case_differs() -> None:
    """Inputs that differ in their letters are different."""
    check_rows([Example("a", "One", "x")], [Example("b", "one", "y")])


def test_fingerprint_equal(toy_task: Task) -> None:
    """The same rows, scorer and decoding have the same fingerprint, whatever the name and the seed."""
    other = replace(
        make_task(), name="other", description="Other.", seed=replace(toy_task.seed, instruction="Other.")
    )

    assert toy_task.fingerprint == other.fingerprint
    assert len(toy_task.fingerprint) == 16


def changed(task: Task, part: str) -> Task:
    """The task with one part changed that decides scores."""
    first, *rest = task.dev
    changes = {
        "input": {"dev": (replace(first, input="?"), *rest)},
        "target": {"dev": (replace(first, target="?"), *rest)},
        "references": {"dev": (replace(first, references=("?",)), *rest)},
        "order": {"dev": (*rest, first)},
        "moved": {"dev": tuple(rest), "test": (first, *task.test)},
        "scorer": {"scorer": Exact()},
        "decoding": {"decoding": Decoding(max_tokens=65)},
        "choices": {"decoding": Decoding(choices=("red",))},
    }
    return replace(task, **changes[part])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "part", ["input", "target", "references", "order", "moved", "scorer", "decoding", "choices"]
)
def test_fingerprint_differs(toy_task: Task, part: str) -> None:
    """Whatever decides a score changes the fingerprint."""
    assert toy_task.fingerprint != changed(toy_task, part).fingerprint


def test_fingerprint_scorer_options(toy_task: Task) -> None:
    """A scorer's options belong to the fingerprint."""
    loose, tight = (replace(toy_task, scorer=Numeric(t)).fingerprint for t in (0.5, 0.1))

    assert loose != tight


def always(output: str, example: Example) -> Score:
    """A scorer without class."""
    return Score(1.0, output)


def never(output: str, example: Example) -> Score:
    """Another one."""
    return Score(0.0, output)


def test_fingerprint_plain_function(toy_task: Task) -> None:
    """A plain function is known by its name, the same in every process."""
    first, again, other = (replace(toy_task, scorer=s).fingerprint for s in (always, always, never))

    assert first == again
    assert first != other
