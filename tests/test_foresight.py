"""Foresight: what it looks at changes nothing, and what it foresees is what comes."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace

import pytest

from apo import plugins
from apo.backends import Request, unmarked
from apo.backends.ahead import Ahead
from apo.backends.scripted import Scripted
from apo.budget import Budget
from apo.candidate import Failure
from apo.engine import Engine
from apo.foresight import Replies, foreseen, looking_ahead, proposing, spare
from apo.guesses import HOLE
from apo.history import History
from apo.store.memory import MemoryStore
from tests.helpers import folded, run_engine, skilled, toy_spec, toy_task

FAR = 64
TASK = toy_task(60)
SPEC = toy_spec(scheduler="racing", budget=Budget(calls=400))


@pytest.mark.parametrize("scheduler", plugins.names("schedulers"))
def test_looking_ahead_changes_nothing(scheduler: str) -> None:
    """The journal is the same, and so is the history that was looked ahead from."""
    spec = replace(SPEC, scheduler=scheduler)

    def look(engine: Engine) -> None:
        before = History(engine.store.read())
        foreseen(engine, FAR)
        proposing(engine)
        assert folded(engine.history) == folded(before)

    _, watched, _ = run_engine(TASK, spec, skilled(TASK), look_ahead=look)
    _, alone, _ = run_engine(TASK, spec, skilled(TASK))
    assert watched.records == alone.records


def test_what_is_foreseen_comes() -> None:
    """What is as good as sure is asked, all but a few requests."""
    looks: list[tuple[int, list[Request]]] = []
    asked: list[Request] = []

    def right(request: Request) -> str | Failure:
        asked.append(request)
        return skilled(TASK)(request) if request.temperature > 0 else gold(request)

    def gold(request: Request) -> str:
        text = str(request.rendered)
        rows = [*TASK.train, *TASK.dev, *TASK.test]
        return max(rows, key=lambda row: text.rfind(row.input)).target

    def look(engine: Engine) -> None:
        looks.append((len(asked), foreseen(engine, FAR).sure))

    run_engine(TASK, SPEC, right, look_ahead=look)
    requests = [unmarked(request) for request in asked]
    known = [(set(requests[count:]), ahead) for count, ahead in looks]
    hits = sum(request in later for later, ahead in known for request in ahead)
    assert hits > 0.95 * sum(len(ahead) for _, ahead in looks)
    assert max(len(ahead) for _, ahead in looks) >= FAR


def test_what_a_proposer_asks_is_foreseen() -> None:
    """If it does not depend on the rows that are missing; what follows its reply is not foreseen."""
    spec = replace(SPEC, proposers=("induction",), selectors=(), layouts=False)
    looks: list[list[Request]] = []
    asked: list[Request] = []

    def answer(request: Request) -> str | Failure:
        asked.append(unmarked(request))
        return skilled(TASK)(request)

    def look(engine: Engine) -> None:
        if len(engine.history.steps) == 1:
            looks.append(foreseen(engine, FAR).sure)

    run_engine(TASK, spec, answer, MemoryStore(), look)
    begun = next(place for place, request in enumerate(asked) if request.temperature > 0)
    proposing = [request for request in looks[0] if request.temperature > 0]
    assert proposing
    assert asked[begun : begun + len(proposing)] == proposing
    assert all(found[-len(proposing) :] == proposing for found in looks)


@pytest.mark.parametrize("proposer", ["induction", "opro"])
def test_what_the_next_proposer_asks_is_foreseen_a_step_before(proposer: str) -> None:
    """While a step of lists goes on, as it does not depend on which list wins."""
    spec = replace(SPEC, proposers=(proposer,), selectors=("random_search",), layouts=False)
    found: list[tuple[int, set[Request]]] = []
    asked: dict[int, list[Request]] = {}
    number = 0

    def answer(request: Request) -> str | Failure:
        if request.temperature > 0:
            asked.setdefault(number, []).append(unmarked(request))
        return skilled(TASK)(request)

    def look(engine: Engine) -> None:
        nonlocal number
        number = len(engine.history.steps)
        if engine.history.steps[-1].side == "exemplars":
            texts = proposing(engine, steps=1)
            found.extend([(texts.step, set(texts.requests))] if texts else [])

    run_engine(TASK, spec, answer, MemoryStore(), look)
    assert asked
    right = [requests <= set(asked[step]) for step, requests in found]
    assert right
    assert all(right)


def test_long_texts_are_asked_steps_before() -> None:
    """From the seed's first rows on, once for each; never where proposers have a model of their own."""
    more = replace(SPEC, proposers=("induction",), selectors=("random_search",), layouts=False)
    spec = replace(more, budget=Budget(calls=1500))
    asked: list[Request] = []

    def answer(request: Request) -> str | Failure:
        asked.append(unmarked(request))
        return skilled(TASK)(request)

    class Told(Ahead):
        """Takes down what it is to ask early."""

        def early(self, requests: Iterable[Request]) -> None:
            told.append([*requests])

    told: list[list[Request]] = []
    looked: list[int] = []
    with closing(Told(Scripted(lambda _request: ""))) as ahead:
        for alike in (True, False):
            look_ahead = looking_ahead(ahead, lambda _request: False, Replies(), alike)

            def look(engine: Engine, look_ahead: Callable[[Engine], None] = look_ahead) -> None:
                # Looks are paced by the clock.
                engine.evaluator = replace(engine.evaluator, clock=lambda: float(1000 * len(asked)))
                before = len(told)
                look_ahead(engine)
                looked.extend(len(engine.history.steps) for _ in told[before:])

            run_engine(TASK, spec, answer, look_ahead=look)
    assert len(looked) > 1
    assert looked == sorted(set(looked))
    written = next(place for place, request in enumerate(asked) if request.temperature > 0)
    assert asked[written : written + len(told[0])] == told[0]
    assert written > len(TASK.dev)


def test_what_another_model_is_asked_is_not_foreseen() -> None:
    """Where proposers ask a model of their own only rows are of interest."""
    spec = replace(SPEC, proposers=("reflection",), selectors=(), layouts=False)
    replies, found = Replies(), list[Request]()

    def look(engine: Engine) -> None:
        found.extend(foreseen(engine, FAR, replies=replies, alike=False).sure)

    run_engine(TASK, spec, skilled(TASK), look_ahead=look, replies=replies)
    assert found
    assert all(request.temperature == 0 for request in found)


@pytest.mark.parametrize("proposer", ["induction", "opro", "reflection"])
def test_what_follows_from_replies_is_foreseen(proposer: str) -> None:
    """Each reply alone says more of what is asked next: the next request to the proposer's model, or rows."""
    spec = replace(SPEC, proposers=(proposer,), selectors=(), layouts=False)
    replies, asked = Replies(), list[Request]()
    found: list[tuple[int, set[Request]]] = []

    def answer(request: Request) -> str | Failure:
        asked.append(unmarked(request))
        return skilled(TASK)(request)

    def look(engine: Engine) -> None:
        if engine.history.steps[-1].proposed is None:
            sure = foreseen(engine, FAR, replies=replies).sure
            assert not any(HOLE in str(request.rendered) for request in sure)
            found.append((len(asked), set(sure)))

    run_engine(TASK, spec, answer, look_ahead=look, replies=replies)
    ahead = [request for count, sure in found for request in sure & set(asked[count:])]
    assert all(sure <= set(asked) for _, sure in found)
    assert any(request.temperature == 0 for request in ahead)
    assert (proposer == "reflection") == any("What is wrong" in str(request.rendered) for request in ahead)


def test_more_draws_never_foresee_more() -> None:
    """What one of them does not bring is not likely enough."""
    found: list[tuple[set[Request], set[Request]]] = []

    def look(engine: Engine) -> None:
        found.append((set(foreseen(engine, FAR, times=1).sure), set(foreseen(engine, FAR, times=5).sure)))

    run_engine(TASK, SPEC, skilled(TASK), look_ahead=look)
    assert all(many <= one for one, many in found)
    assert any(many < one for one, many in found)


def test_guesses_are_not_sure() -> None:
    """A request is one or the other."""
    both = 0

    def look(engine: Engine) -> None:
        nonlocal both
        found = foreseen(engine, FAR)
        assert not set(found.sure) & set(found.guessed)
        both += bool(found.sure and found.guessed)

    run_engine(TASK, SPEC, skilled(TASK), look_ahead=look)
    assert both


def test_spare_requests_end_the_run() -> None:
    """The seed's sealed test is among the run's last requests, whatever was found."""
    asked: list[Request] = []
    known: list[Request] = []

    def answer(request: Request) -> str | Failure:
        asked.append(unmarked(request))
        return skilled(TASK)(request)

    def look(engine: Engine) -> None:
        known[:] = spare(engine)

    run_engine(TASK, SPEC, answer, look_ahead=look)
    assert len(known) == len(TASK.test)
    assert set(known) <= set(asked[-2 * len(TASK.test) :])
