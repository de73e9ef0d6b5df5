"""What a task is: examples with known answers in three splits, a scorer and a first prompt."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Protocol

import msgspec

from apo.errors import DataError
from apo.prompt import Exemplar, Prompt
from apo.seeding import rng

MAX_TOKENS = 64
"""Of an answer, where nothing more is known of it."""


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a data set; never shown in a prompt unless it becomes an Exemplar."""

    id: str
    input: str
    target: str
    """The gold answer, also shown as an exemplar's output."""
    references: tuple[str, ...] = ()
    """All accepted answers where several count; empty means the target alone."""

    @property
    def accepted(self) -> tuple[str, ...]:
        """The answers that count as right, at least one."""
        return self.references or (self.target,)

    @property
    def plain_input(self) -> str:
        """The input with runs of space as one; rows are the same where these are."""
        return plain(self.input)


def as_exemplars(rows: Iterable[Example]) -> list[Exemplar]:
    """Rows as exemplars that show their own answer."""
    return [Exemplar(row.input, row.target, row.id) for row in rows]


class Score(msgspec.Struct, frozen=True, gc=False):
    """How good one output is."""

    value: float
    """From 0 (wrong) to 1 (right)."""
    answer: str | None = None
    """The answer as the scorer read it; None is a format failure: no answer could be read."""
    feedback: str = ""
    """Why, for people and for proposers that criticise."""


def with_sources(prompt: Prompt, rows: Iterable[Example]) -> Prompt:
    """The prompt with each exemplar that was made from one of the rows naming it.

    So `render` can leave it out when that row is asked; a prompt that people wrote names no row.
    """
    ids = {row.plain_input: row.id for row in rows}
    exemplars = (replace(e, source=ids.get(plain(e.input), e.source)) for e in prompt.exemplars)
    return replace(prompt, exemplars=tuple(exemplars))


def plain(text: str) -> str:
    """A text with runs of space as one."""
    return " ".join(text.split())


class Scorer(Protocol):
    """Judges one output. Pure: no model, no file, no clock."""

    def __call__(self, output: str, example: Example) -> Score:
        """Score `output` as an answer to `example`; never raises, whatever the output is."""
        ...


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the task model answers; greedy, so that a score is a property of the prompt."""

    max_tokens: int = MAX_TOKENS
    choices: tuple[str, ...] = ()
    """If set, the server may only answer with one of these (constrained decoding)."""


@dataclass(frozen=True, slots=True)
class Task:
    """Examples with known answers, how to judge an output, and the prompt to start from."""

    name: str
    description: str
    seed: Prompt
    scorer: Scorer
    train: tuple[Example, ...]
    """Exemplars come from here."""
    dev: tuple[Example, ...]
    """Candidates are compared on these, in this order; rungs are its prefixes."""
    test: tuple[Example, ...]
    """Sealed: scored once, after the search. No component of the search ever sees it."""
    decoding: Decoding = Decoding()

    @property
    def fingerprint(self) -> str:
        """Identity of all that decides a score: rows in order, scorer, decoding; 16 hex digits."""
        parts = [asdict(e) for split in (self.train, self.dev, self.test) for e in split]
        sizes = [len(self.train), len(self.dev), len(self.test)]
        whole = json.dumps([sizes, parts, _identity(self.scorer), asdict(self.decoding)])
        return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _identity(scorer: Scorer) -> str:
    """A dataclass says its options; a plain function only its name."""
    if is_dataclass(scorer):
        return repr(scorer)
    return f"{scorer.__module__}.{getattr(scorer, '__qualname__', type(scorer).__name__)}"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows each split gets; None asks for a share of the rows at hand."""

    train: int | None = None
    dev: int | None = None
    test: int | None = None
    seed: int = 0
    """Shuffles the rows before they are dealt out."""


DEV_SHARE, DEV_MOST = 0.35, 100
DEV_SHARE_BESIDE_TEST = 0.5
TEST_SHARE, TEST_MOST = 0.4, 200
LEAST_ROWS = 6


def split(
    rows: Sequence[Example], sizes: Sizes = Sizes(), test: Sequence[Example] | None = None
) -> tuple[tuple[Example, ...], tuple[Example, ...], tuple[Example, ...]]:
    """Deal `rows` out into (train, dev, test); with `test` given, only into train and dev.

    By default dev gets 35 % of the rows (at most 100), test 40 % (at most 200), train the rest. With
    `test` given, dev gets half of the rows (at most 100), and at most 200 rows of `test` are kept.

    Raises:
        DataError: too few rows, sizes that do not fit, or one input in two splits.
    """
    if len(rows) < LEAST_ROWS:
        raise DataError(
            f"{len(rows)} rows are too few: train, dev and test need at least {LEAST_ROWS} together. "
            "Add rows."
        )
    shuffled = list(rows)
    rng(sizes.seed, 0, "split").shuffle(shuffled)
    sealed = list(test) if test is not None else []
    if test is None:
        count = _size(sizes.test, len(rows), TEST_SHARE, TEST_MOST, "test")
        sealed, shuffled = shuffled[:count], shuffled[count:]
    elif sealed:
        rng(sizes.seed, 0, "test").shuffle(sealed)
        sealed = sealed[: _size(sizes.test, len(sealed) + 1, 1.0, TEST_MOST, "test")]
    share = DEV_SHARE if test is None else DEV_SHARE_BESIDE_TEST
    dev_count = _size(sizes.dev, len(rows), share, DEV_MOST, "dev")
    dev, train = shuffled[:dev_count], shuffled[dev_count:]
    if sizes.train is not None:
        _check_fits("train", sizes.train, len(train))
        train = train[: sizes.train]
    if not train or not dev or not sealed:
        raise DataError(
            f"The split sizes leave a split empty: train {len(train)}, dev {len(dev)}, test "
            f"{len(sealed)} of {len(rows)} rows. Ask for smaller splits or add rows."
        )
    return tuple(train), tuple(dev), tuple(sealed)


def _size(asked: int | None, rows: int, share: float, most: int, name: str) -> int:
    if asked is None:
        return min(most, max(1, int(rows * share)))
    _check_fits(name, asked, rows - 1)
    return asked


def _check_fits(name: str, asked: int, there: int) -> None:
    if not 1 <= asked <= there:
        raise DataError(
            f"The {name} split must have between 1 and {there} rows here, not {asked}. "
            "Change the split sizes or add rows."
        )


def check_rows(*splits: Sequence[Example]) -> None:
    """Refuse rows that share an id, and inputs that stand in two splits: the test would be seen.

    Raises:
        DataError: naming the first such pair of rows.
    """
    ids: set[str] = set()
    for row in (row for rows in splits for row in rows):
        if row.id in ids:
            raise DataError(f"Two rows have the id {row.id!r}. Give each row an id of its own.")
        ids.add(row.id)
    seen: dict[str, tuple[int, str]] = {}
    for number, rows in enumerate(splits):
        for row in rows:
            key = row.plain_input
            before = seen.setdefault(key, (number, row.id))
            if before[0] != number:
                raise DataError(
                    f"Rows {before[1]!r} and {row.id!r} have the same input ({key[:60]!r}) but fall "
                    "into different splits, so the test would not be unseen. Remove one of them, or "
                    "set `duplicates: drop` (on the command line: --drop-duplicates)."
                )
