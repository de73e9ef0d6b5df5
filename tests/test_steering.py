"""What people's commands do to a run, as the scripted models and the journal tell."""

from collections.abc import Callable

import pytest

from apo import commands, events
from apo.budget import Budget
from apo.commands import Add, Ban, Order, Pause, Promote, Resume, SetBudget, Stop
from apo.forecasting import least_calls
from apo.history import BANNED, History
from apo.metering import MeteredModel
from apo.prompt import Prompt
from apo.store.memory import MemoryStore
from tests.helpers import skilled, toy_spec, toy_task
from tests.steered import Script, Steered

TASK = toy_task()
HOSTILE = "Say it.\n\x00\x1b[31m\u2028{{input}} %s </think> <|im_end|> \N{PILE OF POO}"
EARLY, MIDDLE = 12, 30
"""Lengths of the journal: in the second step, and later."""


def steered(*script: tuple[int, Order], **changes: object) -> tuple[History, Steered]:
    """A whole run that gets these commands."""
    run = Steered(TASK, skilled(TASK), script, toy_spec(**changes))
    return run.go_on(), run


def facts(run: Steered) -> list[events.Event]:
    """The events of a run."""
    return [record.event for record in run.store.read()]


def names(run: Steered) -> list[str]:
    """The events of a run by name."""
    return [type(fact).__name__ for fact in facts(run)]


def refused(run: Steered) -> list[str]:
    """Why commands were refused."""
    return [fact.reason for fact in facts(run) if isinstance(fact, events.CommandRefused)]


PLAIN = steered()
PRUNED = next(c for c, why in PLAIN[0].pruned.items() if why.startswith("not among"))


def test_pause_asks_nothing_until_resumed() -> None:
    """While the run is paused its models are asked nothing; afterwards it is the run it would have been."""
    asked: list[int] = []
    run = Steered(TASK, skilled(TASK), ((MIDDLE, Pause()), (MIDDLE, Resume())))
    engine = run.engine()
    engine.steering.sleep = lambda _: asked.append(len(run.backends[-1].requests))
    engine.observer = lambda history, record: (
        asked.append(len(run.backends[-1].requests)) if history.paused else None
    )
    engine.run()
    others = [
        fact
        for fact in facts(run)
        if not isinstance(
            fact,
            events.CommandReceived | events.CommandApplied | events.RunPaused | events.RunContinued,
        )
    ]

    assert len(asked) > 3
    assert 1 == len(set(asked))
    assert 0 < asked[0] < len(run.backends[-1].requests)
    assert facts(PLAIN[1]) == others


def test_pause_does_not_count_as_time() -> None:
    """The time of a pause is not the run's."""
    hours = [0.0]
    store = MemoryStore(clock=lambda: hours[0])
    run = Steered(TASK, skilled(TASK), ((MIDDLE, Pause()), (MIDDLE, Resume())), store=store)
    engine = run.engine()
    engine.steering.sleep = lambda _: hours.__setitem__(0, hours[0] + 3600.0)
    engine.run()

    assert 3600.0 <= hours[0]
    assert 0.0 == engine.history.seconds


@pytest.mark.parametrize("place", [1, 3, 5, EARLY, MIDDLE, 60])
def test_stop_finishes_with_the_sealed_test(place: int) -> None:
    """A stop ends the search wherever it comes, with seed and winner tested and the reason told."""
    history, run = steered((place, Stop()))
    assert history.finished is not None

    assert "stopped by hand" == history.finished.reason
    assert history.tested is not None
    assert 20 == len(history.test_evaluations(history.finished.best))
    assert history.total.calls < PLAIN[0].total.calls
    assert "ProblemReported" not in names(run)


def test_stop_asks_no_more_rows_of_the_search() -> None:
    """After a stop only rows of the sealed test are asked."""
    _, run = steered((MIDDLE, Stop()))
    after = names(run)[names(run).index("CommandApplied") :]
    later = [f for f in facts(run)[-len(after) :] if isinstance(f, events.EvaluationsFinished)]

    assert later
    assert all(fact.sealed for fact in later)
    assert not {"StepStarted", "CandidatesProposed"} & set(after)


def test_stop_ends_a_pause() -> None:
    """A run that is paused can be stopped."""
    history, run = steered((MIDDLE, Pause()), (MIDDLE, Stop()))

    assert not history.paused
    assert history.finished is not None
    assert "stopped by hand" == history.finished.reason
    assert names(run).index("RunPaused") < names(run).index("RunContinued")


@pytest.mark.parametrize("place", [1, 3, EARLY, MIDDLE])
@pytest.mark.parametrize("paused", [False, True])
def test_stop_now_leaves_a_run_that_goes_on(place: int, paused: bool) -> None:
    """`stop --now` ends the process; gone on with, the run ends as if nothing had been."""
    script: Script = ((place, Stop(now=True)),)
    run = Steered(TASK, skilled(TASK), ((place, Pause()), *script) if paused else script)
    with pytest.raises(KeyboardInterrupt):
        run.engine().run()
    left = History(run.store.read())
    if paused:
        run.store.append(events.RunContinued())
    history = run.go_on()
    evaluated = {c: history.evaluations(c) for c in history.candidates}

    assert left.finished is None
    assert {c: PLAIN[0].evaluations(c) for c in PLAIN[0].candidates} == evaluated
    assert sum(len(b.requests) for b in run.backends) == len(PLAIN[1].backends[0].requests)


def test_interrupted_between_two_rows() -> None:
    """Ctrl-C writes the rows in flight and leaves a run that goes on without asking them again."""
    run = Steered(TASK, skilled(TASK))
    engine = run.engine()
    engine.source = engine.steering.source = Pressed(lambda: len(run.backends[-1].requests) > 150)
    with pytest.raises(KeyboardInterrupt):
        engine.run()
    kept = History(run.store.read())
    run.go_on()

    assert 150 < len(run.backends[0].requests) <= 152
    assert kept.total.calls == len(run.backends[0].requests)
    assert sum(len(b.requests) for b in run.backends) == len(PLAIN[1].backends[0].requests)


class Pressed:
    """A source that says nothing and interrupts at some time."""

    def __init__(self, when: Callable[[], bool]) -> None:
        self.interrupted = when

    def commands(self) -> tuple[commands.Sent, ...]:
        """None."""
        return ()


def test_promote_brings_a_pruned_candidate_to_all_rows() -> None:
    """A candidate that the scheduler dropped meets every dev row in a step of its own."""
    history, run = steered((60, Promote(candidate=PRUNED)))
    (step,) = (step for step in history.steps if step.component == "promoted")

    assert len(PLAIN[0].evaluations(PRUNED)) < 20 == len(history.evaluations(PRUNED))
    assert (PRUNED,) == step.cohort
    assert PRUNED not in history.pruned
    assert [] == refused(run)


def test_ban_is_for_good() -> None:
    """A banned candidate gets no more rows, no children, is shown to no proposer and does not win."""
    assert PLAIN[0].finished is not None
    best = PLAIN[0].finished.best
    place = next(r.n for r in PLAIN[1].store.read() if best in full_at(r.n)) + 1
    more = SetBudget(budget=Budget(calls=1200))  # so that there are steps after it
    history, run = steered((place, Ban(candidate=best)), (place, more))
    assert history.finished is not None
    when = names(run).index("CommandApplied")
    born = [c for f in facts(run)[when:] if isinstance(f, events.CandidatesProposed) for c in f.candidates]

    shown = run.engine().view(MeteredModel(run.backends[0], 0)).ranked(1000)

    assert BANNED == history.pruned[best]
    assert best not in [c.id for c in shown]
    assert len(shown) > 3
    assert best != history.finished.best
    assert born
    assert not [c for c in born if best in c.parents]


def full_at(length: int) -> set[str]:
    """The fully evaluated candidates once the plain run's journal was that long."""
    history = History(list(PLAIN[1].store.read())[: length + 1])
    return {c for c in history.candidates if history.is_full(c)}


@pytest.mark.parametrize(("calls", "fits"), [(900, range(600, 901)), (300, range(1, 301))])
def test_budget_in_force(calls: int, fits: range) -> None:
    """A raised budget is used, a lowered one is kept."""
    history, _ = steered((EARLY, SetBudget(budget=Budget(calls=calls))))

    assert history.total.calls in fits
    assert Budget(calls=calls) == history.budget
    assert history.finished is not None


def test_command_is_applied_once() -> None:
    """A command that stands twice in the inbox is applied once."""
    run = Steered(TASK, skilled(TASK), ((EARLY, Add(prompt=Prompt("Say it."))),) * 2)
    engine = run.engine()
    sent = commands.Sent("same", 0.0, Add(prompt=Prompt("Say it.")))
    engine.source = engine.steering.source = Repeating(sent)
    engine.run()

    assert 1 == names(run).count("CommandReceived") == names(run).count("CommandApplied")
    assert 1 == sum(c.origin == "human" for c in engine.history.candidates.values())


class Repeating:
    """A source that says the same at each look."""

    def __init__(self, sent: commands.Sent) -> None:
        self.sent = sent

    def commands(self) -> tuple[commands.Sent, ...]:
        """The one command, twice."""
        return (self.sent, self.sent)

    def interrupted(self) -> bool:
        """Never."""
        return False


def test_smallest_budget_can_be_set() -> None:
    """The least that pays for what is spent and the sealed test is taken."""
    history, run = steered((5, SetBudget(budget=Budget(calls=least_calls(TASK)))))

    assert [] == refused(run)
    assert history.total.calls <= least_calls(TASK)
