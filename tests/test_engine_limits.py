"""What ends a run, what may win it, and what a broken part or row costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from apo.alternations import Move, arms
from apo.backends import Request
from apo.belief import Belief
from apo.budget import Budget
from apo.candidate import Failure
from apo.errors import ConfigError, DataError, RunError
from apo.forecasting import FIRST_ROWS, least_calls
from apo.history import History
from apo.prompt import as_text
from apo.schedulers import Plan, Scheduler, untried
from apo.step import Step
from apo.store.memory import MemoryStore
from apo.task import check_rows
from tests.helpers import history_of, run_engine, skilled, started, toy_spec, toy_task
from tests.steered import Steered
from tests.test_engine import Run

TASK = toy_task()


def test_nothing_left_to_try_ends_the_run() -> None:
    """Where layouts alone are searched and all were tried, the run ends before its budget."""
    spec = toy_spec(proposers=(), selectors=(), budget=Budget(calls=100_000))
    history, _, backend = run_engine(TASK, spec, skilled(TASK))

    assert history.finished is not None
    assert history.finished.reason == "nothing left to try"
    assert len(backend.requests) < 2_000


def test_perfect_seed_and_reflection_alone_ends() -> None:
    """A proposer with nothing to criticise is not asked for ever."""
    gold = {row.input: row.target for row in (*TASK.dev, *TASK.test)}

    def perfect(request: Request) -> str:
        return next(target for text, target in gold.items() if text in as_text(request.rendered))

    spec = toy_spec(proposers=("reflection",), selectors=(), layouts=False, budget=Budget(calls=5_000))
    history, _, _ = run_engine(TASK, spec, perfect)

    assert history.finished is not None
    assert (history.finished.reason, history.finished.best) == ("nothing left to try", "c0")


@pytest.mark.parametrize(
    ("read", "turns", "left"), [(0, 1, False), (9, 1, True), (9, 3, True), (9, 4, False)]
)
def test_turns_that_bring_nothing(read: int, turns: int, left: bool) -> None:
    """A free turn without a proposal is the last one, but a look into weights has a few tries."""
    history = history_of(started(TASK, toy_spec(proposers=("greater",), selectors=(), layouts=False)))
    history.steps += [
        Step(n, "instruction", "greater", 8, 100, proposed=(), read=read, finished=True) for n in range(turns)
    ]

    assert left == (("instruction", "greater") in arms(history))


def test_candidate_with_few_answered_rows_does_not_win() -> None:
    """Rows that failed are missing, but whoever lacks many of them is not the best for it."""
    base = skilled(TASK)

    def lucky(request: Request) -> str | Failure:
        answer = base(request)
        text = as_text(request.rendered)
        wrong = not any(row.input in text and row.target == answer for row in TASK.dev)
        layout_of_interest = "Answer:" in text and request.temperature == 0
        return Failure("timeout", "slow") if layout_of_interest and wrong else answer

    history, _, _ = run_engine(TASK, toy_spec(), lucky)
    best = history.best()

    assert best is not None
    assert len(history.scores(best.id)) >= 0.9 * len(TASK.dev)


def test_token_budget_too_small_is_refused_after_the_first_rows() -> None:
    """What the first rows cost shows that seed and test do not fit; the rest is not spent."""
    spec = toy_spec(budget=Budget(completion_tokens=30))
    with pytest.raises(ConfigError, match="too small"):
        run_engine(TASK, spec, skilled(TASK))


def test_refused_budget_stays_refused() -> None:
    """A run whose budget is too small is refused again where it goes on, and nothing more is spent."""
    run = Steered(TASK, skilled(TASK), (), toy_spec(budget=Budget(completion_tokens=30)))
    for backend in range(2):
        with pytest.raises(ConfigError, match="too small"):
            run.go_on()
        assert FIRST_ROWS * (backend == 0) == len(run.backends[-1].requests)


def test_limit_in_the_seed_s_rows() -> None:
    """Cut off among the seed's rows, beyond a limit of tokens, a run goes on to the end it would have had."""
    dev = tuple(
        row if place < FIRST_ROWS else replace(row, input="word " * 100 + row.input)
        for place, row in enumerate(toy_task(120).dev)
    )
    task = replace(toy_task(120), dev=dev)
    spec = toy_spec(proposers=(), selectors=(), layouts=False, budget=Budget(prompt_tokens=1500))
    whole = MemoryStore()
    assert Steered(task, skilled(task), (), spec, whole).go_on().finished is not None
    for cut in range(1, len(whole.records)):
        store = MemoryStore(whole.records[:cut])
        Steered(task, skilled(task), (), spec, store).go_on()
        assert whole.records == store.records


@pytest.mark.parametrize("scheduler", ["full", "successive_halving"])
def test_token_budget_ends_the_search(scheduler: str) -> None:
    """A budget of tokens ends the run at most one rung over its limit."""
    limit = 30_000
    history, _, _ = run_engine(
        TASK, toy_spec(scheduler=scheduler, budget=Budget(prompt_tokens=limit)), skilled(TASK)
    )

    assert history.finished is not None
    assert history.total.prompt_tokens < 1.5 * limit


def test_one_row_too_long_for_the_context_spoils_only_itself() -> None:
    """A dev row that not even the seed fits with says nothing against a candidate."""
    base, long_row = skilled(TASK), TASK.dev[3].input

    def answer(request: Request) -> str | Failure:
        if request.temperature == 0 and as_text(request.rendered).rstrip().endswith(long_row):
            return Failure("context", "too long")
        return base(request)

    history, _, _ = run_engine(TASK, toy_spec(), answer)

    assert history.finished is not None
    assert history.finished.best != "c0"
    assert "does not fit the context" not in history.pruned.values()


def test_broken_component_is_named_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proposer that raises ends the run with one message that says where."""
    folder = tmp_path / "proposers"
    folder.mkdir()
    (folder / "broken_one.py").write_text(
        "from dataclasses import dataclass\n\n"
        "@dataclass(frozen=True)\nclass BrokenOne:\n"
        "    def propose(self, view, count, rng):\n        raise KeyError('colour')\n"
    )
    monkeypatch.setenv("APO_PATH", str(tmp_path))
    spec = toy_spec(proposers=("broken_one",), selectors=(), layouts=False)

    with pytest.raises(RunError, match=r"broken_one.*KeyError.*line 6"):
        run_engine(TASK, spec, skilled(TASK))


@dataclass(frozen=True)
class Again:
    """A scheduler that asks for the first row for ever."""

    def plan(self, cohort: Sequence[str], history: History, allowance: int, belief: Belief) -> Plan:
        """The same pair each time."""
        return Plan(((cohort[0], history.dev[0].id),))


@dataclass(frozen=True)
class Greedy:
    """A scheduler that takes every row, whatever is left."""

    def plan(self, cohort: Sequence[str], history: History, allowance: int, belief: Belief) -> Plan:
        """All rows of all candidates."""
        return Plan(tuple(pair for c in cohort for pair in untried(c, history, len(history.dev))))


@pytest.mark.parametrize(
    ("scheduler", "told"), [(Again(), "1 of them a second time"), (Greedy(), "calls are")]
)
def test_scheduler_that_breaks_its_contract_spends_nothing(scheduler: Scheduler, told: str) -> None:
    """Rows asked twice, or more rows than are left, end the run before they are asked."""
    made = Run(TASK, toy_spec(budget=Budget(calls=least_calls(TASK) + 45)), skilled(TASK))
    engine = made.engine()
    engine.scheduler = scheduler

    with pytest.raises(RunError, match=told):
        engine.run()
    assert len(made.asked) <= least_calls(TASK) + 45


@dataclass(frozen=True)
class Lost:
    """An alternation that does not know what to do."""

    def next_move(self, history: History) -> Move | None:
        """Nothing but an error."""
        raise LookupError("whose turn is it?")


def test_alternation_that_fails_is_named() -> None:
    """An alternation that raises ends the run with one message that names it."""
    made = Run(TASK, toy_spec(alternation="lost"), skilled(TASK))
    engine = made.engine(Lost())

    with pytest.raises(RunError, match="The alternation 'lost' failed: LookupError: whose turn is it"):
        engine.run()
    assert engine.history.is_full("c0")


def test_repeated_ids_are_refused() -> None:
    """Two rows with one id would be counted as one."""
    twin = replace(TASK.dev[1], id=TASK.dev[0].id)

    with pytest.raises(DataError, match="row-20"):
        check_rows(TASK.train, (TASK.dev[0], twin), TASK.test)
