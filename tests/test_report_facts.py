"""What a report counts, on a run of worked numbers."""

import pytest

from apo.calibration import calibration
from apo.candidate import Candidate
from apo.history import History
from apo.prompt import Exemplar, Prompt
from apo.reporting.contributions import by_side, contributions, rises
from apo.reporting.exemplars import values
from apo.reporting.fates import endings, rungs
from apo.reporting.flips import flips
from apo.trace import Lead, Trace
from tests.helpers import (
    evaluation,
    history_of,
    proposed,
    run_engine,
    skilled,
    started,
    toy_spec,
    toy_task,
)
from tests.reported import BALLS, TASK, met, sealed, worked

HISTORY = History(worked())


def test_contributions() -> None:
    """Each component's candidates, gain and calls, proposing included."""
    found = {one.component: one for one in contributions(HISTORY)}
    opro = found["opro"]

    assert ["seed", "uniform:size=2", "opro", "mutation"] == list(found)
    assert (4, 2, 1, 1) == (opro.proposed, opro.made, opro.kept, opro.dropped)
    assert (1, 1, 33, 3) == (opro.turns, opro.raised, opro.calls, opro.writing)
    assert opro.gain == pytest.approx(0.2)
    assert opro.credit == pytest.approx((0.05 + 0.2) / (20 + 33))
    assert found["seed"].credit is None


def test_gain_by_side() -> None:
    """Sides in the order of what they brought."""
    found = by_side(contributions(HISTORY))

    assert ["instruction", "exemplars", "seed"] == list(found)
    assert {"instruction": 33, "exemplars": 25, "seed": 20} == {side: n for side, (_, n) in found.items()}


def test_rises_join() -> None:
    """Steps without gain are none, and each begins where the one before ended."""
    first, second = rises(HISTORY)

    assert (1, 2) == (first.step.number, second.step.number)
    assert (first.before, first.after) == pytest.approx((0.4, 0.5))
    assert (second.before, second.after) == pytest.approx((0.5, 0.7))


def test_whole_search_adds_up() -> None:
    """Over a scripted search calls and gains of components are those of the run."""
    task = toy_task()
    history, _, _ = run_engine(task, toy_spec(), skilled(task))
    found = contributions(history)
    best = history.best()

    assert best is not None
    assert sum(one.calls for one in found) == history.spend["task"].calls + history.spend["proposal"].calls
    assert sum(one.made for one in found) == len(history.candidates)
    assert sum(one.proposed - one.made for one in found) == history.discards.total()
    assert history.mean("c0") + sum(one.gain for one in found) == pytest.approx(history.mean(best.id))
    assert rises(history)[-1].after == pytest.approx(history.mean(best.id))


def test_rungs() -> None:
    """Five candidates: all met 5 of 20 rows, four met 10, three met all."""
    assert [(0, 5), (2, 5), (5, 5), (10, 4), (20, 3)] == [(r.rows, r.total) for r in rungs(HISTORY)]
    assert {"seed": 1, "exemplars": 1, "instruction": 1} == rungs(HISTORY)[-1].reached


def test_endings() -> None:
    """Where candidates were dropped, without the numbers that differ from one to the next."""
    assert [
        (5, "worse than … on … rows (bets made …)", 1),
        (10, "not among the best … on … rows", 1),
    ] == [(e.rows, e.reason, e.candidates) for e in endings(HISTORY)]


def test_exemplar_values() -> None:
    """Candidates that show a row (.5, .2, .7) against the one that shows others (.6)."""
    found = {value.row: value for value in values(HISTORY)}
    ball = found[BALLS[0].source]

    assert {e.source for e in BALLS[:4]} == set(found)
    assert (3, 1, False) == (ball.shown, ball.others, ball.ranked)
    assert ball.score == pytest.approx((0.5 + 0.2 + 0.7) / 3)
    assert ball.without == pytest.approx(0.6)
    assert ball.difference == -found[BALLS[2].source].difference


def test_exemplars_without_rows() -> None:
    """A person's exemplar is known by its text; prompts without exemplars are no comparison."""
    one = Candidate("c1", Prompt("Say it.", (Exemplar("ball", "red"), Exemplar("ball", "red"))), ("c0",))
    history = history_of(
        started(TASK, toy_spec()), *proposed(Candidate("c0", TASK.seed), one), met("c0", 3), met("c1", 4)
    )
    (value,) = values(history)

    assert ("", "ball", 1, 0, 0.0) == (
        value.row,
        value.exemplar.input,
        value.shown,
        value.others,
        value.without,
    )


def test_pools_are_no_comparison() -> None:
    """A prompt with a pool does not show all of it, so it says nothing of its members."""
    pool = Candidate("c1", Prompt("Say it.", BALLS, nearest=1), ("c0",))
    history = history_of(
        started(TASK, toy_spec()), *proposed(Candidate("c0", TASK.seed), pool), met("c0", 3), met("c1", 4)
    )

    assert () == values(history)


def test_flips() -> None:
    """The seed's 8 rows are among the winner's 14."""
    better, worse = flips(HISTORY.evaluations("c3"), HISTORY.evaluations("c0"))

    assert ([row.id for row in TASK.dev[8:14]], []) == ([f.row for f in better], list(worse))


def test_flips_of_the_sealed_test() -> None:
    """Rows both ways, as the test counts them."""
    history = History(sealed())
    better, worse = flips(history.test_evaluations("c3"), history.test_evaluations("c0"))

    assert history.tested is not None
    assert (history.tested.better, history.tested.worse) == (len(better), len(worse))
    assert [TASK.test[0].id] == [f.row for f in worse]


def test_flips_need_both() -> None:
    """A row without an answer flips nothing, and the largest change comes first."""
    ours = {row: evaluation("c1", row, value) for row, value in {"a": 1.0, "b": None, "c": 0.6}.items()}
    theirs = {row: evaluation("c0", row, value) for row, value in {"a": 0.9, "b": 1.0, "c": 0.1}.items()}

    assert ["c", "a"] == [f.row for f in flips(ours, theirs)[0]]
    assert ([], []) == flips({"a": ours["a"]}, {"b": theirs["b"]})


def test_trace() -> None:
    """The best so far by the calls of all roles; the last place of each candidate."""
    history, trace = History(), Trace()
    for record in worked():
        history.apply(record)
        trace.take(history, record.event)

    assert [Lead(20, 0.4, "c0"), Lead(40, 0.5, "c1"), Lead(73, 0.7, "c3")] == trace.best
    assert {"c0": 20, "c1": 40, "c2": 53, "c3": 73, "c4": 78} == trace.seen


def test_predictions_of_the_run() -> None:
    """The step's flag reaches the pairs: both candidates were chosen by the surrogate."""
    found = calibration(HISTORY)

    assert [("c2", 10, True), ("c3", 20, True)] == [(p.candidate, p.rows, p.screened) for p in found.pairs]
    assert (1.0, 1.0, 1) == (found.rank, found.within, found.freedom)
