"""Ahead: what is expected is asked while there is room, and every request is answered once."""

import threading
from asyncio import CancelledError
from collections.abc import Iterable, Iterator
from contextlib import closing

from hypothesis import given, settings
from hypothesis import strategies as st

from apo.backends import Completion, Request
from apo.backends.ahead import ROOM, Ahead
from apo.candidate import Failure
from tests.eager import PATIENCE, Eager, ask


def expecting_next(ahead: Ahead) -> None:
    """A stream to its end, with `next` expected while the answer to `slow` is awaited."""
    stream = ahead.stream(ask("first", "slow"))
    next(stream)
    ahead.expect(ask("next"))
    list(stream)


def test_expected_answers_are_there() -> None:
    """While the last answer is awaited the next are asked; who wants them later does not ask again."""
    came = threading.Event()

    def answer(request: Request) -> str:
        if request.rendered == "slow":
            assert came.wait(PATIENCE)
        if request.rendered == "next 2":
            came.set()
        return f"to {request.rendered}"

    backend = Eager(answer)
    with closing(Ahead(backend)) as ahead:
        stream = ahead.stream(ask("first", "slow"))
        first, _ = next(stream)
        assert first.rendered == "first"
        assert ahead.ending
        ahead.expect(ask("first", "slow", "next 1", "next 2"))
        assert [request.rendered for request, _ in stream] == ["slow"]
        later = list(ahead.stream(ask("next 2", "other", "next 1")))
    assert {(r.rendered, r.tag, c.text) for r, c in later} == {
        ("next 1", "2", "to next 1"),
        ("next 2", "0", "to next 2"),
        ("other", "1", "to other"),
    }
    assert set(backend.asked.values()) == {1}
    assert (ahead.asked, ahead.used) == (2, 2)


def test_no_more_than_there_is_room() -> None:
    """Wrong guesses hold a server up by a few requests only, those that are wanted among them."""
    guessed = threading.Event()
    backend = Eager(lambda request: answer(request))

    def answer(request: Request) -> str:
        if request.rendered == "slow":
            assert guessed.wait(PATIENCE)
            assert sum(backend.asked.values()) == 1 + 3
        elif request.rendered != "first":
            guessed.set()
            assert over.wait(PATIENCE)
        return ""

    over = threading.Event()
    with closing(Ahead(backend, enough=lambda: 3)) as ahead:
        stream = ahead.stream(ask("first", "slow"))
        next(stream)
        ahead.expect([], ask(*(f"guess {n}" for n in range(9))))
        list(stream)
        over.set()


def test_what_is_sure_has_more_room() -> None:
    """First what comes next, then what comes some time; guesses only where little is under way."""
    full, over = threading.Event(), threading.Event()
    backend, asked = Eager(lambda request: answer(request)), set[str]()

    def answer(request: Request) -> str:
        if request.rendered == "slow":
            assert full.wait(PATIENCE)
            asked.update(backend.asked)
        elif request.rendered != "first":
            if sum(backend.asked.values()) == 1 + ROOM * 3:
                full.set()
            assert over.wait(PATIENCE)
        return ""

    with closing(Ahead(backend, enough=lambda: 3)) as ahead:
        stream = ahead.stream(ask("first", "slow"))
        next(stream)
        assert ahead.roomy
        ahead.spare(ask(*(f"spare {n}" for n in range(10 * ROOM))))
        ahead.expect(ask("next 1", "next 2"), ask("guess"))
        list(stream)
        over.set()
    assert {"next 1", "next 2", "spare 0"} <= asked
    assert "guess" not in asked
    assert len(asked) == 1 + ROOM * 3


def test_spare_requests_are_asked_once() -> None:
    """What is asked before there was room for it is not asked again later."""
    backend = Eager(lambda request: f"to {request.rendered}")
    with closing(Ahead(backend)) as ahead:
        ahead.spare(ask("a", "b", "c"))
        list(ahead.stream(ask("b", "x")))
        answers = {str(r.rendered): c.text for r, c in ahead.stream(ask("a", "b", "c"))}
    assert answers == {"a": "to a", "b": "to b", "c": "to c"}
    assert backend.asked["a"] == backend.asked["c"] == 1


def test_spare_requests_that_fail_are_not_asked_again() -> None:
    """One that failed, and is named again, is left to whoever wants its answer."""
    came = {"good": threading.Event(), "better": threading.Event()}

    def answer(request: Request) -> str | Failure:
        name = str(request.rendered)
        if name in came:
            came[name].set()
        return Failure("server", "no") if name == "bad" else "well"

    backend = Eager(answer)
    with closing(Ahead(backend)) as ahead:
        for name, event in came.items():
            ahead.spare(ask("bad", name))
            list(ahead.stream(ask("x")))
            assert event.wait(PATIENCE)
    assert backend.asked["bad"] == 1


def test_what_was_answered_ahead_is_not_asked_again() -> None:
    """An answer that was ready may not be in the journal yet, so its request may still be foreseen."""
    came = threading.Event()

    def answer(request: Request) -> str:
        if request.rendered == "next":
            came.set()
        if request.rendered in ("slow", "slower"):
            assert came.wait(PATIENCE)
        return ""

    backend = Eager(answer)
    with closing(Ahead(backend)) as ahead:
        first = ahead.stream(ask("first", "slow"))
        next(first)
        ahead.expect(ask("next"))
        list(first)
        second = ahead.stream(ask("next", "other", "slower"))
        next(second)
        ahead.expect(ask("next", "other", "slower"))
        list(second)
    assert set(backend.asked.values()) == {1}


def test_the_same_request_twice() -> None:
    """Two that are alike are answered both, also where one is under way already."""
    began, over = threading.Event(), threading.Event()

    def answer(request: Request) -> str:
        if request.rendered == "next":
            began.set()
            assert over.wait(PATIENCE)
        if request.rendered == "slow":
            assert began.wait(PATIENCE)
        return ""

    with closing(Ahead(Eager(answer))) as ahead:
        expecting_next(ahead)
        threading.Timer(0.1, over.set).start()
        assert {"0", "1", "2"} == {request.tag for request, _ in ahead.stream(ask("next", "next", "next"))}


def test_closed_while_asked_ahead() -> None:
    """Where the client is closed meanwhile nothing is said, and nobody waits for ever."""

    class Closing(Eager):
        """Is closed while it answers what nobody waits for."""

        def stream(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
            """As ever, but for one."""
            for request, done in super().stream(requests):
                if request.rendered == "next" and not closed.is_set():
                    closed.set()
                    raise CancelledError
                yield request, done

    def answer(request: Request) -> str:
        assert request.rendered != "slow" or closed.wait(PATIENCE)
        return ""

    closed, problems = threading.Event(), list[object]()
    before, threading.excepthook = threading.excepthook, problems.append
    try:
        with closing(Ahead(Closing(answer))) as ahead:
            expecting_next(ahead)
            assert 2 == len(list(ahead.stream(ask("next", "other"))))
    finally:
        threading.excepthook = before
    assert not problems


def test_a_failure_ahead_is_asked_again() -> None:
    """What failed while nobody wanted it says nothing."""
    failed = threading.Event()

    def answer(request: Request) -> str | Failure:
        if request.rendered == "slow":
            assert failed.wait(PATIENCE)
        if request.rendered == "next" and not failed.is_set():
            failed.set()
            return Failure("server", "busy")
        return "well"

    with closing(Ahead(Eager(answer))) as ahead:
        expecting_next(ahead)
        ((_, completion),) = ahead.stream(ask("next"))
    assert completion.text == "well"


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 12), max_size=8, unique=True), max_size=6),
    st.lists(st.lists(st.integers(0, 12), max_size=8), max_size=6),
    st.lists(st.integers(0, 12), max_size=8),
    st.sets(st.integers(0, 12)),
)
def test_every_request_is_answered_once(
    batches: list[list[int]], guesses: list[list[int]], spare: list[int], failing: set[int]
) -> None:
    """Whatever is expected when, and whatever fails, each batch gets its own answers."""

    def answer(request: Request) -> str | Failure:
        number = int(str(request.rendered))
        return Failure("server", "no") if number in failing else f"answer {number}"

    with closing(Ahead(Eager(answer), enough=lambda: 2)) as ahead:
        ahead.spare(ask(*map(str, spare)))
        for place, batch in enumerate(batches):
            got = []
            for request, completion in ahead.stream(ask(*map(str, batch))):
                got.append((request.tag, completion.text))
                if place < len(guesses):
                    ahead.expect(ask(*map(str, guesses[place][::2])), ask(*map(str, guesses[place][1::2])))
            wanted = [
                (f"{n}", "" if number in failing else f"answer {number}") for n, number in enumerate(batch)
            ]
            assert sorted(got) == sorted(wanted)
