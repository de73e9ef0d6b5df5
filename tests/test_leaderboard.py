"""The leaderboard: what is surely good stands above what was lucky."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo import events
from apo.candidate import Candidate, Evaluation, Usage
from apo.leaderboard import Row, rank
from apo.prompt import Prompt
from apo.statistics import EMPTY, paired_difference, wilson
from apo.task import Score, Task
from tests.helpers import evaluation, history_of, proposed, started, toy_spec, toy_task

BIG = toy_task(600)
SMALL = toy_task(30)


def candidate(number: int, length: int = 5) -> Candidate:
    """A candidate whose instruction has so many characters."""
    side: str | None = None if number == 0 else "instruction"
    return Candidate(f"c{number}", Prompt("x" * length), side=side)  # type: ignore[arg-type]


def rows_of(task: Task, number: int, right: int, rows: int) -> list[Evaluation]:
    """A candidate's evaluations on the first rows, of which the first `right` are right."""
    return [evaluation(f"c{number}", row.id, float(n < right)) for n, row in enumerate(task.dev[:rows])]


def board(task: Task, *results: tuple[int, int]) -> tuple[Row, ...]:
    """The leaderboard of candidates that got so many right of so many rows."""
    done = [e for number, (right, rows) in enumerate(results) for e in rows_of(task, number, right, rows)]
    return ranked(task, [candidate(n) for n in range(len(results))], [done])


def ranked(
    task: Task, candidates: Sequence[Candidate], chunks: Sequence[Sequence[Evaluation]], *more: events.Event
) -> tuple[Row, ...]:
    """The leaderboard after these chunks and other events."""
    finished = [events.EvaluationsFinished(evaluations=tuple(chunk)) for chunk in chunks]
    return rank(history_of(started(task, toy_spec()), *proposed(*candidates), *finished, *more))


def ids(rows: Sequence[Row]) -> list[str]:
    """The candidates in order."""
    return [row.candidate.id for row in rows]


@pytest.mark.parametrize("lucky", [(3, 3), (10, 10), (67, 80)], ids=str)
def test_luck_does_not_lead(lucky: tuple[int, int]) -> None:
    """A few lucky rows do not outrank 164 of 200, though their mean is higher."""
    rows = board(BIG, (164, 200), lucky)

    assert ["c0", "c1"] == ids(rows)
    assert rows[1].score.mean > rows[0].score.mean


def test_evidence_leads() -> None:
    """Enough rows of a higher share do outrank it."""
    assert ids(board(BIG, (164, 200), (78, 80))) == ["c1", "c0"]


def test_scores() -> None:
    """A row shows the interval over the candidate's own rows."""
    rows = board(BIG, (164, 200), (3, 3))

    assert [wilson(164, 200), wilson(3, 3)] == [row.score for row in rows]


def test_missing_is_not_zero() -> None:
    """Rows without an answer are counted apart and leave the score alone."""
    done = rows_of(BIG, 0, 8, 10)
    lost = [evaluation("c0", row.id, None) for row in BIG.dev[10:15]]
    row = ranked(BIG, [candidate(0)], [[*done, *lost]])[0]

    assert (wilson(8, 10), 5) == (row.score, row.failures)


def test_unreadable() -> None:
    """Answers that could not be read are wrong, and are counted."""
    done = rows_of(BIG, 0, 8, 10)
    odd = Evaluation("c0", BIG.dev[10].id, "?", Score(0.0, None), Usage(10, 2))
    row = ranked(BIG, [candidate(0)], [[*done, odd]])[0]

    assert (wilson(8, 11), 1, 0) == (row.score, row.unreadable, row.failures)


def test_difference_is_paired() -> None:
    """The difference to the seed is over the rows that both answered; the seed has none."""
    chunk = [*rows_of(SMALL, 0, 4, 10), *rows_of(SMALL, 1, 6, 6)]
    rows = {row.candidate.id: row for row in ranked(SMALL, [candidate(0), candidate(1)], [chunk])}
    names = [row.id for row in SMALL.dev]
    ours, theirs = dict.fromkeys(names[:6], 1.0), {n: float(p < 4) for p, n in enumerate(names)}

    assert (paired_difference(ours, theirs), EMPTY) == (rows["c1"].difference, rows["c0"].difference)
    assert rows["c1"].difference.n == 6


def test_tokens() -> None:
    """The tokens of a row are the mean over the answered ones."""
    done = [evaluation("c0", row.id, 1.0, usage=Usage(10 * n)) for n, row in enumerate(SMALL.dev[:3])]
    lost = evaluation("c0", SMALL.dev[3].id, None)

    assert ranked(SMALL, [candidate(0)], [[*done, lost]])[0].tokens == 10.0


@pytest.mark.parametrize(("lengths", "expected"), [((9, 5), ["c1", "c0"]), ((5, 5), ["c0", "c1"])], ids=str)
def test_ties(lengths: tuple[int, int], expected: list[str]) -> None:
    """Equal scores go to the shorter prompt, then to the older candidate."""
    both = [*rows_of(SMALL, 0, 5, 10), *rows_of(SMALL, 1, 5, 10)]

    assert expected == ids(ranked(SMALL, [candidate(n, size) for n, size in enumerate(lengths)], [both]))


def test_unscored_last() -> None:
    """Candidates without a score stand below those that were all wrong, the oldest first."""
    rows = board(SMALL, (0, 10), (0, 0), (0, 2), (0, 0))

    assert {"c0", "c2"} == set(ids(rows)[:2])
    assert ["c1", "c3"] == ids(rows)[2:]
    assert [EMPTY, EMPTY] == [row.score for row in rows[2:]]


def test_unscored_lost() -> None:
    """A candidate whose requests all failed has no score."""
    lost = [evaluation("c1", row.id, None) for row in SMALL.dev]
    rows = ranked(SMALL, [candidate(0), candidate(1)], [rows_of(SMALL, 0, 0, 10), lost])

    assert (["c0", "c1"], 10) == (ids(rows), rows[1].failures)


def test_status() -> None:
    """The status says how far each candidate came."""
    names = [candidate(n) for n in range(6)]
    results = [(5, 10), (9, 10), (4, 4), (0, 0), (1, 4), (10, 10)]
    chunk = [e for n, (right, rows) in enumerate(results) for e in rows_of(SMALL, n, right, rows)]
    dropped = [events.CandidatePruned(candidate=c, reason="x") for c in ("c4", "c5")]
    status = {row.candidate.id: row.status for row in ranked(SMALL, names, [chunk], *dropped)}

    assert status == {
        "c0": "full",
        "c1": "best",
        "c2": "running",
        "c3": "queued",
        "c4": "pruned",
        "c5": "pruned",
    }


outcomes = st.lists(
    st.integers(0, 10).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1
)


@given(outcomes)
def test_order_total(results: list[tuple[int, int]]) -> None:
    """Everybody stands on the board once, by falling lower bound, scored ones first."""
    rows = board(SMALL, *results)
    keys = [(row.score.n == 0, -row.score.low) for row in rows]

    assert {f"c{n}" for n in range(len(results))} == set(ids(rows))
    assert len(results) == len(rows)
    assert sorted(keys) == keys


@given(outcomes, st.randoms(use_true_random=False), st.integers(1, 7))
def test_order_of_chunks(results: list[tuple[int, int]], shuffle: Random, size: int) -> None:
    """In whatever order and chunks answers come, the board is the same."""
    done = [e for n, (right, rows) in enumerate(results) for e in rows_of(SMALL, n, right, rows)]
    mixed = list(done)
    shuffle.shuffle(mixed)
    names = [candidate(n) for n in range(len(results))]
    chunks = [mixed[n : n + size] for n in range(0, len(mixed), size)]

    assert ranked(SMALL, names, [done]) == ranked(SMALL, names, chunks)
