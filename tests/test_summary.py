"""The summary of a batch, against numbers worked out by hand."""

from collections.abc import Sequence
from dataclasses import fields

import pytest

from apo import events
from apo.batch import Cell
from apo.candidate import Candidate
from apo.history import History
from apo.sealed import compare
from apo.statistics import EMPTY, Interval
from apo.store.memory import MemoryStore
from apo.summary import Group, Line, flat, groups, line
from tests.helpers import FrozenClock, evaluation, proposed, started, toy_spec, toy_task

TASK = toy_task(12)
Values = Sequence[float | None]
A: tuple[Values, Values] = ((1, 1, 0, 1), (0, 1, 0, 0))
"""A run's scores on the four rows of the sealed test: its winner's, the seed prompt's."""
B: tuple[Values, Values] = ((1, 0, 0, 1), (1, 0, 0, 0))
ALL: tuple[Values, Values] = ((1, 1, 1, 1), (1, 1, 1, 1))


def run(winner: Values, seed: Values, seconds: float = 10.0) -> History:
    """A finished run with these scores on the sealed test; dev scores are .25 and .75."""
    clock = FrozenClock()
    store = MemoryStore(clock=clock)
    other = Candidate("c1", TASK.seed, ("c0",), "opro", "instruction")
    dev = [evaluation("c0", row.id, float(n < 1)) for n, row in enumerate(TASK.dev)]
    dev += [evaluation("c1", row.id, float(n < 3)) for n, row in enumerate(TASK.dev)]
    sealed = [
        evaluation(name, row.id, value)
        for name, values in (("c0", seed), ("c1", winner))
        for row, value in zip(TASK.test, values, strict=True)
    ]
    for fact in (
        started(TASK, toy_spec()),
        *proposed(Candidate("c0", TASK.seed), other),
        events.EvaluationsFinished(evaluations=tuple(dev)),
        events.StepFinished(step=0, gain=0.5, calls=8),
        events.EvaluationsFinished(evaluations=tuple(sealed), sealed=True),
    ):
        store.append(fact)
    history = History(store.read())
    history.apply(store.append(compare(history, other)))
    clock.advance(seconds)
    history.apply(store.append(events.RunFinished(reason="budget spent", best="c1")))
    return history


def cell(task: str, seed: int, setting: str = "plain") -> Cell:
    """A run of a batch."""
    return Cell(f"{task}-{setting}-s{seed}", task, setting, seed, toy_spec())


def near(interval: Interval) -> tuple[float, float, float, int]:
    """An interval to four places."""
    return (round(interval.mean, 4), round(interval.low, 4), round(interval.high, 4), interval.n)


def table(*runs: tuple[Cell, History]) -> list[Group]:
    """The groups of some runs."""
    return groups([one for one, _ in runs], {one.name: history for one, history in runs})


def test_line() -> None:
    """A finished run's line holds its scores, its spend and its time."""
    found = line(cell("toy", 0), run(*A))

    assert ("toy-plain-s0", "toy", "plain", 0, "finished", "") == (
        found.run,
        found.task,
        found.setting,
        found.seed,
        found.state,
        found.problem,
    )
    # Wilson's intervals of 3 and of 1 of 4.
    assert (0.75, 0.3006, 0.9544, 4) == near(found.test)
    assert (0.25, 0.0456, 0.6994, 4) == near(found.test_seed)
    assert (0.5, 4) == (found.difference.mean, found.difference.n)
    # 2 rows better, none worse: the exact test gives 2 * 1/4.
    assert 0.5 == found.p_value
    # 16 rows with 10 prompt and 2 completion tokens each.
    assert (16, 192, 10.0) == (found.calls, found.tokens, found.seconds)
    assert 0.25 <= found.dev.mean <= 0.75


def test_group_means_by_row() -> None:
    """Two runs of one task are averaged row by row: the rows are what was drawn, not the runs."""
    first, overall = table((cell("toy", 0), run(*A)), (cell("toy", 1), run(*B, seconds=5)))

    assert ("toy", "plain", 2) == (first.task, first.setting, first.runs)
    # Rows 1, 1/2, 0, 1; Wilson's interval of 2.5 of 4.
    assert (0.625, 0.2194, 0.9081, 4) == near(first.test)
    # Row differences 1, 0, 0, 1 and 0, 0, 0, 1.
    assert (0.375, 4) == (first.difference.mean, first.difference.n)
    assert 0.0 <= first.difference.low < 0.375 < first.difference.high <= 1.0
    assert (0.5, 0.75) == (first.lowest, first.highest)
    assert (32, 384, 15.0) == (first.calls, first.tokens, first.seconds)
    assert "all" == overall.task


def test_overall() -> None:
    """Over all tasks: the mean of the tasks' means, half-widths added in squares, spend added up."""
    runs = [(cell("toy", 0), run(*A)), (cell("toy", 1), run(*B)), (cell("easy", 0), run(*ALL))]
    toy, easy, overall = table(*runs)

    # Wilson's interval of 4 of 4.
    assert (1.0, 0.5101, 1.0, 4) == near(easy.test)
    # (.625 + 1) / 2; below: sqrt(.4056^2 + .4899^2) / 2 = .3180; above: sqrt(.2831^2 + 0) / 2 = .1416.
    assert (0.8125, 0.4945, 0.9541, 8) == pytest.approx(near(overall.test), abs=2e-4)
    assert 0.1875 == overall.difference.mean
    assert (3, 0.5, 1.0) == (overall.runs, overall.lowest, overall.highest)
    assert toy.calls + easy.calls == overall.calls == 48


def test_settings_apart() -> None:
    """Settings are never mixed: each has its groups and its own overall line."""
    runs = [(cell("toy", 0, "x"), run(*A)), (cell("toy", 0, "y"), run(*B)), (cell("easy", 0, "y"), run(*ALL))]
    found = [(g.task, g.setting, g.runs, g.test.mean) for g in table(*runs)]

    assert [
        ("toy", "x", 1, 0.75),
        ("toy", "y", 1, 0.5),
        ("easy", "y", 1, 1.0),
        ("all", "x", 1, 0.75),
        ("all", "y", 2, 0.75),
    ] == found


def test_missing_rows() -> None:
    """A row without an answer is no part of any mean, and is paired only where both answered."""
    first, _ = table((cell("toy", 0), run((1, None, 0, 1), (0, 1, 0, None))), (cell("toy", 1), run(*B)))

    # Rows 1, 0 (one run alone), 0, 1.
    assert (0.5, 4) == (first.test.mean, first.test.n)
    # Differences 1, -, 0, - and 0, 0, 0, 1, so rows 1/2, 0, 0, 1.
    assert (0.375, 4) == (first.difference.mean, first.difference.n)


def test_unfinished() -> None:
    """Runs that failed, wait or never began have a line, and are no part of a group."""
    cells = [cell("toy", seed) for seed in range(4)]
    begun = History(MemoryStore().read())
    store = MemoryStore()
    store.append(started(TASK, toy_spec()))
    running = History(store.read())
    histories = {cells[0].name: run(*A), cells[1].name: begun, cells[2].name: running}
    lines = [
        line(c, histories.get(c.name), p) for c, p in zip(cells, ("", "", "gone", "broken"), strict=True)
    ]

    assert [("finished", ""), ("waiting", ""), ("failed", "gone"), ("failed", "broken")] == [
        (x.state, x.problem) for x in lines
    ]
    assert [EMPTY] * 3 == [x.test for x in lines[1:]]
    assert "starting" == line(cells[2], running).state
    assert [1, 1] == [g.runs for g in groups(cells, histories)]


def test_nothing_finished() -> None:
    """Where no run has finished there is no group at all."""
    assert [] == groups([cell("toy", 0)], {})


@pytest.mark.parametrize("record", [Line, Group], ids=["line", "group"])
def test_flat(record: type[Line] | type[Group]) -> None:
    """For CSV each interval becomes four columns; the columns are the same for every run."""
    full, empty = (line(cell("toy", 0), history) for history in (run(*A), None))
    (group, _) = table((cell("toy", 0), run(*A)))
    row = flat(full if record is Line else group)
    intervals = [f.name for f in fields(record) if "Interval" in str(f.type)]

    assert list(flat(full)) == list(flat(empty))
    assert {f"{name}_{part}" for name in intervals for part in ("mean", "low", "high", "n")} <= row.keys()
    assert not intervals or not set(intervals) & row.keys()
    assert (0.75, 4) == (row["test_mean"], row["test_n"])
    assert all(isinstance(value, str | int | float) for value in row.values())
