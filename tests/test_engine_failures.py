"""Runs whose models fail: what is missing, what is dropped, and when a run ends with an error."""

import pytest

from apo import events
from apo.backends import Request
from apo.backends.patient import MANY
from apo.candidate import Failure
from apo.errors import RunError
from apo.prompt import as_text
from apo.task import Task
from tests.helpers import skilled, toy_spec, toy_task
from tests.test_engine import SMALL, Run, run


def test_ledger_counts_failures() -> None:
    """Rows that got no answer are charged like the others, once, however often they were asked."""
    base = skilled(SMALL)
    done = run(SMALL, lambda r: Failure("timeout", "slow") if len(as_text(r.rendered)) % 5 == 0 else base(r))
    history = done.history()
    tables = [t for c in history.candidates for t in (history.evaluations(c), history.test_evaluations(c))]

    assert sum(map(len, tables)) == history.total.calls - history.spend["proposal"].calls
    assert any(e.failure for table in tables for e in table.values())
    assert history.total.calls < len(done.asked)


@pytest.mark.parametrize("rows", [30, 150])
def test_server_gone(rows: int) -> None:
    """A server that never answers ends the run with an error that is in the journal, as fatal."""
    made = Run(toy_task(rows), toy_spec(), lambda _: Failure("connection", "nobody there"))
    with pytest.raises(RunError, match="connection: nobody there"):
        made.engine().run()
    last = made.store.records[-1].event

    assert isinstance(last, events.ProblemReported)
    assert last.fatal
    assert len(made.asked) <= MANY + 8
    assert made.history().finished is None


def test_server_dies_in_search(toy_task: Task) -> None:
    """A server that stops answering ends the run soon; what was answered before is kept."""
    base = skilled(toy_task)
    made = Run(toy_task, toy_spec(), base)
    made.answer = lambda r: base(r) if len(made.asked) <= 200 else Failure("server", "out of memory")
    with pytest.raises(RunError, match="out of memory"):
        made.engine().run()
    history = made.history()

    assert len(made.asked) <= 200 + MANY + 16
    assert 20 == len(history.scores("c0"))
    assert [True] == [f.fatal for f in made.facts(events.ProblemReported)]  # type: ignore[union-attr]


def test_few_failures_are_missing() -> None:
    """A few rows without an answer are missing from the mean, not zero, and the run goes on."""
    base, slow = skilled(SMALL), SMALL.dev[0].input
    done = run(SMALL, lambda r: Failure("timeout", "slow") if slow in as_text(r.rendered) else base(r))
    history = done.history()
    whole = run(SMALL).history().scores("c0")
    others = {row: value for row, value in whole.items() if row != SMALL.dev[0].id}

    assert history.finished is not None
    assert 10 == len(history.evaluations("c0"))
    assert others == history.scores("c0")
    assert pytest.approx(sum(others.values()) / 9) == history.mean("c0")


def test_context_failure_prunes(toy_task: Task) -> None:
    """Prompts that the context cannot hold are dropped, and one that fits wins."""
    base = skilled(toy_task)
    fits = 45

    def answer(request: Request) -> str | Failure:
        long = len(as_text(request.rendered).split()) > fits and request.temperature == 0
        return Failure("context", "too long") if long else base(request)

    history = run(toy_task, answer).history()
    unfit = [c for c, reason in history.pruned.items() if reason == "does not fit the context"]
    assert history.finished is not None

    assert unfit
    assert history.finished.best not in unfit
    assert all(e.failure is None for e in history.evaluations(history.finished.best).values())


def test_proposal_failures_reported(toy_task: Task) -> None:
    """Proposal calls that fail are a problem that is told, not the end."""
    base = skilled(toy_task)
    done = run(toy_task, lambda r: Failure("rate_limit", "slow down") if r.temperature > 0 else base(r))
    problems = done.history().problems

    assert done.history().finished is not None
    assert problems
    assert all("the first with rate_limit: slow down" in problem for problem in problems)


@pytest.mark.parametrize("after", [3, 25, 133])
def test_key_refused_in_the_middle(toy_task: Task, after: int) -> None:
    """A key that is refused ends the run; every answer before it is kept, and the refused row is not."""
    base = skilled(toy_task)
    made = Run(toy_task, toy_spec(proposers=()), base)
    made.answer = lambda r: base(r) if len(made.asked) <= after else Failure("authentication", "expired")
    with pytest.raises(RunError, match="refuses every request: authentication: expired"):
        made.engine().run()
    history = made.history()
    kept = [e for c in history.candidates for e in history.evaluations(c).values()]

    assert (after, after + 1) == (len(kept), len(made.asked))
    assert all(e.failure is None for e in kept)
