"""Commands that cannot be obeyed: each is refused with its reason, and the run goes on as it was."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo import commands, events
from apo.budget import Budget, Spend
from apo.candidate import Candidate, Usage
from apo.commands import Add, Ban, Order, Pause, Promote, Resume, SetBudget, Stop
from apo.events import Record
from apo.history import History
from apo.prompt import Exemplar, Prompt
from apo.steering import refusal
from tests.helpers import evaluation, folded, history_of, proposed, skilled, started, toy_spec, toy_task
from tests.steered import Steered
from tests.test_steering import EARLY, HOSTILE, MIDDLE, PLAIN, PRUNED, facts, names, refused, steered

TASK = toy_task()
ANSWER = skilled(TASK)
EDITS: list[tuple[Order, str]] = [
    (Ban(candidate="c0"), "the seed prompt is what the others are compared with"),
    (Ban(candidate="c999"), "there is no candidate 'c999'"),
    (Ban(candidate="\x1b[31m"), r"there is no candidate '\x1b[31m'"),
    (Promote(candidate=""), "there is no candidate ''"),
    (Promote(candidate="c0"), "it has met every dev row already"),
    (Add(prompt=Prompt(" \n\t")), "the prompt is empty"),
    (Add(prompt=Prompt("x"), parent="c999"), "there is no candidate 'c999'"),
    (SetBudget(budget=Budget()), "it has no limit at all"),
    (SetBudget(budget=Budget(calls=1)), "more than that is spent already"),
    (SetBudget(budget=Budget(prompt_tokens=1)), "more than that is spent already"),
    (SetBudget(budget=Budget(calls=70)), "the sealed test takes 40 more calls"),
    (SetBudget(budget=Budget(calls=0)), "the sealed test takes 40 more calls"),
    (SetBudget(budget=Budget(calls=-5)), "the sealed test takes 40 more calls"),
]


@pytest.mark.parametrize(("order", "reason"), EDITS, ids=lambda value: ascii(value)[:50])
def test_refused_with_its_reason(order: Order, reason: str) -> None:
    """What cannot be applied is refused in words, and the run does what it would have done."""
    history, run = steered((EARLY, order))

    assert [reason] == refused(run)
    assert PLAIN[0].candidates == history.candidates
    assert PLAIN[0].total == history.total


@pytest.mark.parametrize(("order", "reason"), [(Resume(), "the run is not paused")])
def test_resume_without_pause(order: Order, reason: str) -> None:
    """There is nothing to go on with."""
    assert [reason] == refused(steered((EARLY, order))[1])


def test_pause_twice() -> None:
    """A paused run is not paused again."""
    run = Steered(TASK, skilled(TASK), ((EARLY, Pause()), (EARLY, Pause()), (EARLY, Resume())))
    run.go_on()

    assert ["the run is paused already"] == refused(run)
    assert 1 == names(run).count("RunPaused") == names(run).count("RunContinued")


def test_ban_twice() -> None:
    """What is banned is not banned again."""
    _, run = steered((60, Ban(candidate=PRUNED)), (60, Ban(candidate=PRUNED)))

    assert ["it is banned already"] == refused(run)


def test_promote_what_does_not_fit() -> None:
    """A candidate that the context cannot hold cannot be evaluated."""
    history = history_of(
        started(TASK, toy_spec()),
        *proposed(candidate("c0"), candidate("c1")),
        events.CandidatePruned(candidate="c1", reason="does not fit the context"),
    )

    assert "it does not fit the model's context" == refusal(Promote(candidate="c1"), history)


def candidate(name: str) -> Candidate:
    """A candidate with a prompt of its own."""
    return Candidate(name, Prompt(name))


@pytest.mark.parametrize("seconds", [1e308, 0.5])
def test_budget_of_time(seconds: float) -> None:
    """A limit of time is compared with the time used; an enormous one is a limit too."""
    ticks = iter(float(n) for n in range(100))
    history = history_of(
        started(TASK, toy_spec()),
        *proposed(candidate("c0")),
        events.EvaluationsFinished(evaluations=(evaluation("c0", "row-20", 1.0),)),
        clock=lambda: next(ticks),
    )
    expected = None if seconds > 1 else "more than that is spent already"

    assert expected == refusal(SetBudget(budget=Budget(seconds=seconds)), history)


def test_budget_beside_a_white_box() -> None:
    """What a white box has read is gone, but further calls do not cost it again."""
    read = events.CandidatesProposed(step=0, candidates=(candidate("c0"),), whitebox=Spend(0, 90_000))
    one = evaluation("c0", "row-20", 1.0, usage=Usage(100, 1))
    history = history_of(
        started(TASK, toy_spec()),
        events.StepStarted(step=0, side=None, component="seed", allowance=99),
        read,
        events.EvaluationsFinished(evaluations=(one,)),
    )

    assert refusal(SetBudget(budget=Budget(prompt_tokens=100_000)), history) is None
    assert "takes 40 more calls" in str(refusal(SetBudget(budget=Budget(prompt_tokens=94_000)), history))


LATE: list[Order] = [Ban(candidate="c1"), Add(prompt=Prompt("x")), SetBudget(budget=Budget(calls=9999))]


@pytest.mark.parametrize("order", LATE, ids=lambda order: type(order).__name__)
def test_after_the_search(order: Order) -> None:
    """A command that comes while the sealed test runs is refused, and changes nothing of the result."""
    sealed = next(r.n for r in PLAIN[1].store.read() if getattr(r.event, "sealed", False))
    history, run = steered((sealed + 1, order))

    assert ["the search is over"] == refused(run)
    assert PLAIN[0].finished == history.finished
    assert PLAIN[0].tested == history.tested


def test_pause_during_the_sealed_test() -> None:
    """The sealed test can be paused too, also that of a run that was stopped."""
    sealed = next(r.n for r in PLAIN[1].store.read() if getattr(r.event, "sealed", False))
    history, run = steered((sealed + 1, Pause()), (sealed + 1, Resume()))
    tested = next(r.n for r in steered((MIDDLE, Stop()))[1].store.read() if getattr(r.event, "sealed", False))
    _, stopped = steered((MIDDLE, Stop()), (tested + 1, Pause()), (tested + 1, Resume()))

    assert PLAIN[0].tested == history.tested
    assert 1 == names(run).count("RunPaused") == names(stopped).count("RunPaused")
    assert 1 == names(stopped).count("TestScored")


def test_finished_run_hears_nothing() -> None:
    """A finished run takes no command in."""
    run = Steered(TASK, skilled(TASK), ((10_000, Ban(candidate="c1")),))
    run.go_on()
    before = facts(run)
    run.script = ((0, Ban(candidate="c1")),)
    run.go_on()

    assert before == facts(run)


ids = st.sampled_from(["c0", "c1", "c2", "c5", "c9", "c99", HOSTILE])
prompts = st.builds(
    Prompt,
    st.sampled_from(["", "Say it.", HOSTILE, TASK.dev[0].input, TASK.seed.instruction]),
    st.sampled_from([(), (Exemplar(TASK.dev[1].input, "red"),), (Exemplar(HOSTILE, HOSTILE, HOSTILE),)]),
)
orders: st.SearchStrategy[Order] = st.one_of(
    st.just(Pause()),
    st.just(Resume()),
    st.just(Stop()),
    st.builds(Ban, candidate=ids),
    st.builds(Promote, candidate=ids),
    st.builds(Add, prompt=prompts, parent=st.sampled_from(["", "c0", "c99"])),
    st.builds(
        SetBudget, budget=st.builds(Budget, st.none() | st.integers(-1, 400), st.none() | st.just(12_000))
    ),
)


@settings(max_examples=100)
@given(
    sent=st.lists(st.tuples(st.integers(0, 90), orders), max_size=8),
    scheduler=st.sampled_from(["full", "successive_halving:least_rows=5"]),
)
def test_any_commands_at_any_time(sent: list[tuple[int, Order]], scheduler: str) -> None:
    """Whatever people send, the run ends, keeps to its budget, and settles every command that it heard."""
    script: list[tuple[int, Order]] = []
    for place, order in sorted(sent, key=lambda one: one[0]):
        # Somebody ends every pause in the end.
        script += [(place, order), (place, Resume())] if isinstance(order, Pause) else [(place, order)]
    spec = toy_spec(scheduler=scheduler, budget=Budget(calls=240))
    run = Steered(TASK, ANSWER, tuple(script), spec)
    live = run.go_on()
    records = list(run.store.read())
    received = {f.sent.id for f in facts(run) if isinstance(f, events.CommandReceived)}
    settled = [f.id for f in facts(run) if isinstance(f, events.CommandApplied | events.CommandRefused)]

    assert live.finished is not None
    assert sorted(received) == sorted(settled)
    assert len(run.backends[0].requests) == live.total.calls
    assert within_budget(records)
    assert folded(History(records)) == folded(live)


def within_budget(records: list[Record]) -> bool:
    """Whether the calls never passed the budget in force, and the last one held the"""
    history = History()
    for record in records:
        history.apply(record)
        limit = history.budget.calls
        if limit is not None and history.total.calls > limit:
            return False
    return True


def test_names_of_commands() -> None:
    """Each command has a name that people read."""
    named = [Pause(), Resume(), Stop(), Stop(now=True), Add(prompt=Prompt("")), Ban(candidate="c1")]
    named += [Promote(candidate="c2"), SetBudget(budget=Budget())]
    expected = "pause, resume, stop, stop now, add a candidate, ban c1, promote c2, set the budget"

    assert expected == ", ".join(commands.name(order) for order in named)
