"""First instructions, then exemplars from the best instruction's own outputs."""

from dataclasses import replace

import pytest

from apo import events
from apo.alternations import Move
from apo.alternations.two_stage import TwoStage
from apo.backends import Request
from apo.budget import Budget
from apo.errors import ConfigError
from apo.history import History
from apo.plugins import build
from apo.prompt import Exemplar, as_text
from apo.spec import RunSpec
from apo.task import as_exemplars
from tests.helpers import run_engine, toy_spec
from tests.turns import SEED, TASK, Turn, calls_of, gaining, history_after, moved, simulate

SPEC = toy_spec(alternation="two_stage", budget=Budget(calls=640), proposers=("opro",))
SEARCH = 640 - 2 * 20
"""Calls of its search: the sealed test takes two for each of 20 rows."""


def answer(request: Request) -> str:
    """Each version of the instruction is right on one row more, and says so in words of its own."""
    if request.temperature > 0:
        return f"<INS>Name the colour, version {(request.seed or 0) % 7}.</INS>"
    text = as_text(request.rendered)
    rows = [*TASK.train, *TASK.dev, *TASK.test]
    asked = max((row for row in rows if row.input in text), key=lambda row: text.rindex(row.input))
    version = int(text.partition("version ")[2][:1] or 0)
    shown = sum(row.input in text for row in rows) - 1
    number = int(asked.id.partition("-")[2])
    right = number * 7 % 20 < 6 + version + shown
    return f"I see {asked.target}, version {version}, with {shown} shown." if right else "no idea"


@pytest.fixture(scope="module")
def history() -> History:
    """A whole run."""
    return run_engine(TASK, SPEC, answer)[0]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8])
def test_share_is_kept_within_a_step(share: float) -> None:
    """Instructions get their share of the search's calls, and no step more."""
    spec = replace(SPEC, layouts=False)
    turns = simulate(TwoStage(share), gaining({}, 40), SEARCH // 40 - 1, spec)

    assert 0 <= calls_of(turns, "instruction") - share * SEARCH < 40


def test_worked_example() -> None:
    """Of 600 calls the first stage takes 300: three steps of 100, and then the second one begins."""
    turns = simulate(TwoStage(), gaining({}), 8, SPEC)
    sides = [side for side, *_ in turns]

    assert ["instruction"] * 3 + ["exemplars", "layout"] + ["exemplars"] * 3 == sides
    assert "uniform:size=16" == turns[3][1]


def test_no_way_back() -> None:
    """A greater budget, once exemplars have been shown, does not bring instructions back."""
    turns: list[Turn] = [SEED, ("instruction", "opro", 0.0, 300), ("exemplars", "uniform:size=16", 0.0, 20)]
    rich = replace(SPEC, budget=Budget(calls=100_000))

    assert "layout" == moved(TwoStage(), rich, turns)[0]
    assert "instruction" == moved(TwoStage(), rich, turns[:2])[0]


def test_no_exemplars_left() -> None:
    """Where no selector could do anything any more, the rest of the budget goes to instructions."""
    turns: list[Turn] = [SEED, ("instruction", "opro", 0.1, 400), ("exemplars", "uniform:size=16", 0.0, 20)]
    turns += [("exemplars", name, 0.0, 0) for name in SPEC.selectors]

    assert ("instruction", "opro") == moved(TwoStage(), replace(SPEC, layouts=False), turns)


def test_first_stage_shows_no_exemplars(history: History) -> None:
    """Every candidate before the second stage is an instruction alone."""
    begun = next(step.number for step in history.steps if step.side == "exemplars")
    first = [history.candidates[c] for step in history.steps[:begun] for c in step.cohort]

    assert begun > 1
    assert len(first) > 2
    assert {()} == {candidate.prompt.exemplars for candidate in first}


def test_pool_is_the_best_instructions_own(history: History) -> None:
    """All exemplars are outputs of the best candidate of the first stage, or gold where those are few."""
    begun = next(step.number for step in history.steps if step.side == "exemplars")
    best = history.best_of(c for step in history.steps[:begun] for c in step.cohort)
    assert best is not None
    own = {
        Exemplar(row.input, done.output, row.id)
        for row in TASK.dev
        if (done := history.evaluations(best.id)[row.id]).score is not None and done.score.value == 1
    }
    gold = set(as_exemplars(TASK.train))
    shown = {e for c in history.candidates.values() if c.side == "exemplars" for e in c.prompt.exemplars}

    assert {best.id} == {step.pool for step in history.steps if step.side == "exemplars"}
    assert shown & own
    assert shown <= own | gold
    assert 0 < len(own) < SPEC.max_exemplars


def test_pool_of_a_first_stage_without_turns() -> None:
    """Without proposers the seed is the best instruction; while it lacks rows the pool is all there is."""
    spec = replace(SPEC, proposers=())
    unscored = history_after(spec, [("instruction", "opro", 0.0, 300)])

    assert Move("exemplars", "uniform:size=16", 4, "") == TwoStage().next_move(unscored)
    assert Move("exemplars", "uniform:size=16", 4, "c0") == TwoStage().next_move(history_after(spec, [SEED]))


@pytest.mark.parametrize("options", ["instruction=1.01", "instruction=-1", "instruction=nan"])
def test_options_are_checked(options: str) -> None:
    """An option that is no share is named."""
    with pytest.raises(ConfigError, match="two_stage: instruction must be a share from 0 to 1"):
        build("alternations", f"two_stage:{options}")


def test_steps_carry_the_pool_in_the_journal(history: History) -> None:
    """The pool is a fact of the journal, so that a resumed step has the same one."""
    step = next(s for s in history.steps if s.pool)
    event = events.StepStarted(step=step.number, side=step.side, component=step.component, pool=step.pool)
    record = events.from_json(events.to_json(events.Record(0, 0.0, event)))

    assert event == record.event


def spec_without(side: str) -> RunSpec:
    """The run without one of the sides."""
    return replace(SPEC, selectors=()) if side == "exemplars" else replace(SPEC, proposers=())


@pytest.mark.parametrize(("side", "first"), [("exemplars", "instruction"), ("instruction", "exemplars")])
def test_one_stage_missing(side: str, first: str) -> None:
    """A stage without components is passed over."""
    assert first == moved(TwoStage(), spec_without(side), [SEED])[0]
