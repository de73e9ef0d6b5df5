"""Whole runs with scripted models: what is asked, in which order, what it costs, how it ends."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo import events, plugins
from apo.alternations import Alternation
from apo.backends import Request
from apo.backends.patient import Patient
from apo.backends.scripted import Scripted
from apo.budget import Budget, Spend
from apo.candidate import Candidate, Failure
from apo.engine import Engine
from apo.evaluation import Evaluator
from apo.forecasting import FIRST_ROWS, least_calls
from apo.history import History
from apo.prompt import Prompt, as_text
from apo.spec import RunSpec
from apo.store.memory import MemoryStore
from apo.task import Task
from tests.helpers import Answer, evaluation, history_of, proposed, skilled, started, toy_spec, toy_task

SMALL = toy_task(30)
SCHEDULERS = plugins.names("schedulers")


@dataclass
class Run:
    """A run with separate models for the two roles, and all that they were asked, in order."""

    task: Task
    spec: RunSpec
    answer: Answer
    store: MemoryStore = field(default_factory=MemoryStore)
    asked: list[tuple[str, Request]] = field(default_factory=list)
    seen: list[events.Record] = field(default_factory=list)

    def engine(self, alternation: Alternation | None = None) -> Engine:
        """An engine that begins the run, or goes on with what the store holds."""
        if not self.store.records:
            self.store.append(started(self.task, self.spec))
        models = {role: Scripted(self._log(role)) for role in ("task", "proposal")}
        patient = Patient(models["task"], patience=0, sleep=lambda _: None)
        return Engine(
            task=self.task,
            history=History(self.store.read()),
            store=self.store,
            alternation=alternation or plugins.build("alternations", self.spec.alternation),
            scheduler=plugins.build("schedulers", self.spec.scheduler),
            evaluator=Evaluator(patient, self.task.scorer, self.task.decoding, 8, clock=lambda: 0.0),
            proposal_backend=models["proposal"],
            observer=lambda _history, record: self.seen.append(record),
        )

    def _log(self, role: str) -> Answer:
        def answer(request: Request) -> str | Failure:
            self.asked.append((role, request))
            return self.answer(request)

        return answer

    def sealed(self) -> list[bool]:
        """For each request, whether it asks for a test row."""
        inputs = [row.input for row in self.task.test]
        return [any(text in as_text(request.rendered) for text in inputs) for _, request in self.asked]

    def history(self) -> History:
        """The state at the end, folded afresh."""
        return History(self.store.read())

    def facts(self, kind: type[events.Fact]) -> list[events.Event]:
        """The events of one kind."""
        return [r.event for r in self.store.records if isinstance(r.event, kind)]


def run(task: Task, answer: Answer | None = None, spec: RunSpec | None = None) -> Run:
    """A run to its end."""
    made = Run(task, spec or toy_spec(), answer or skilled(task))
    made.engine().run()
    return made


def prompt_words(requests: list[Request]) -> int:
    """Prompt tokens as the scripted model counts them."""
    return sum(len(as_text(request.rendered).split()) for request in requests)


def test_seed_first(toy_task: Task) -> None:
    """The seed prompt meets all dev rows, in their order, before anything is proposed."""
    done = run(toy_task)
    first = done.asked[: len(toy_task.dev)]

    assert [("task", True)] * len(first) == [
        (role, row.input in as_text(r.rendered)) for row, (role, r) in zip(toy_task.dev, first, strict=True)
    ]
    begun = done.store.records[1].event
    assert isinstance(begun, events.StepStarted)
    assert (0, None, "seed") == (begun.step, begun.side, begun.component)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@settings(max_examples=25, deadline=None)
@given(calls=st.integers(30, 260), seed=st.integers(0, 3))
def test_budget_and_ledger(scheduler: str, calls: int, seed: int) -> None:
    """The budget in calls is never exceeded, and the ledger equals what the models were asked."""
    spec = toy_spec(scheduler=scheduler, budget=Budget(calls=calls), seed=seed)
    done = run(SMALL, spec=spec)
    roles = ["test" if sealed else role for (role, _), sealed in zip(done.asked, done.sealed(), strict=True)]
    spend = done.history().spend

    assert len(done.asked) <= calls
    assert Counter(roles) == Counter({role: used.calls for role, used in spend.items() if used.calls})
    assert prompt_words([request for _, request in done.asked]) == done.history().total.prompt_tokens


@pytest.mark.parametrize("calls", [200, 600])
def test_budget_is_used(toy_task: Task, calls: int) -> None:
    """What is left at the end would not pay for one more candidate."""
    done = run(toy_task, spec=toy_spec(budget=Budget(calls=calls)))
    # Seed and winner may be the same, then one test is not needed.
    assert calls - len(done.asked) < len(toy_task.dev) + len(toy_task.test)


def test_smallest_budget() -> None:
    """With the least budget the seed is measured and tested, and wins."""
    spec = toy_spec(budget=Budget(calls=least_calls(SMALL)))
    done = run(SMALL, spec=spec)
    history = done.history()

    assert ["c0"] == list(history.candidates)
    assert Spend(10, 80, 10) == history.spend["test"]
    assert history.finished is not None
    assert "c0" == history.finished.best


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_sealed_rows_last(toy_task: Task, scheduler: str) -> None:
    """Test rows are asked after everything else, and nobody else sees them."""
    done = run(toy_task, spec=toy_spec(scheduler=scheduler))
    sealed = done.sealed()
    first = sealed.index(True)
    tests = {row.id for row in toy_task.test}
    texts = {row.input for row in toy_task.test}
    history = done.history()
    shown = [e for c in history.candidates.values() for e in c.prompt.exemplars]

    assert all(sealed[first:])
    assert {"task"} == {role for role, _ in done.asked[first:]}
    assert shown
    assert not [e for e in shown if e.source in tests or e.input in texts]
    assert not [c for c in history.candidates if tests & history.evaluations(c).keys()]


def test_sealed_events_last(toy_task: Task) -> None:
    """Sealed evaluations follow the last step, then the result, then the end; each once."""
    kinds = [type(r.event).__name__ for r in run(toy_task).store.records]
    last_step = len(kinds) - 1 - kinds[::-1].index("StepFinished")
    tail = list(dict.fromkeys(kinds[last_step:]))

    assert ["StepFinished", "EvaluationsFinished", "TestScored", "RunFinished"] == tail
    assert (1, 1) == (kinds.count("TestScored"), kinds.count("RunFinished"))


def test_test_scored_pairs_seed_and_winner(toy_task: Task) -> None:
    """The winner and the seed are scored on all test rows, and compared row by row."""
    history = run(toy_task).history()
    tested = history.tested
    assert tested is not None

    assert (20, 20, 20) == (tested.score.n, tested.seed.n, tested.difference.n)
    assert pytest.approx(tested.score.mean - tested.seed.mean) == tested.difference.mean
    assert tested.difference.mean > 0


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_winner_is_full(toy_task: Task, scheduler: str) -> None:
    """The winner met every dev row and has the best mean of all that did."""
    history = run(toy_task, spec=toy_spec(scheduler=scheduler)).history()
    assert history.finished is not None
    winner = history.finished.best
    full = [c for c in history.candidates if history.is_full(c) and c not in history.pruned]

    assert winner in full
    assert max(history.mean(c) for c in full) == history.mean(winner)


def test_lucky_few_rows_do_not_win() -> None:
    """A perfect score on some rows does not beat a fair one on all."""
    seed, lucky = Candidate("c0", SMALL.seed), Candidate("c1", Prompt("x"))
    rows = [evaluation("c0", row.id, 0.4) for row in SMALL.dev]
    rows += [evaluation("c1", row.id, 1.0) for row in SMALL.dev[:-1]]
    done = events.EvaluationsFinished(evaluations=tuple(rows))
    history = history_of(started(SMALL, toy_spec()), *proposed(seed, lucky), done)

    assert seed == history.best()


def test_same_spec_same_journal(toy_task: Task) -> None:
    """The same request gives the same journal; another seed gives another."""
    first, again, other = (run(toy_task, spec=toy_spec(seed=seed)).store.records for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_improves(toy_task: Task) -> None:
    """A model that learns from exemplars is found a better prompt."""
    history = run(toy_task).history()
    best = history.best()
    assert best is not None

    assert history.mean(best.id) > history.mean("c0")


@pytest.mark.parametrize("rows", [30, 60, 150])
def test_forecast_once(rows: int) -> None:
    """The forecast is made once, from the first rows of the seed."""
    done = run(toy_task(rows))
    before = [type(r.event).__name__ for r in done.store.records].index("ForecastMade")
    sample = History(done.store.records[:before]).spend["task"].calls

    assert 1 == len(done.facts(events.ForecastMade))
    assert min(FIRST_ROWS, rows // 3) <= sample <= rows // 3


def test_probe_asks_first_rows(toy_task: Task) -> None:
    """A probe asks the first rows only, once, and gives the forecast."""
    made = Run(toy_task, toy_spec(), skilled(toy_task))
    made.engine().probe()

    assert FIRST_ROWS == len(made.asked)
    assert made.history().forecast is not None


def test_observer_sees_everything(toy_task: Task) -> None:
    """The observer is told of every event of the engine, in order."""
    done = run(toy_task)

    assert done.store.records[1:] == done.seen


def test_steps_add_up(toy_task: Task) -> None:
    """The calls and gains of the steps add up to the search's spend and to the rise of the best."""
    history = run(toy_task).history()
    best = history.best()
    assert best is not None

    assert sum(s.calls for s in history.steps) == history.total.calls - history.spend["test"].calls
    assert pytest.approx(history.mean(best.id) - history.mean("c0")) == sum(s.gain for s in history.steps)


def test_finished_run_stays(toy_task: Task) -> None:
    """Going on with a finished run changes nothing and asks nothing."""
    done = run(toy_task)
    before, asked = list(done.store.records), len(done.asked)
    done.engine().run()

    assert (before, asked) == (done.store.records, len(done.asked))
