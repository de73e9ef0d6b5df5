"""Who asks ahead: threads that are there, what each is given, and what is asked at once or no more."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import closing

from apo.backends import Completion, Request
from apo.backends.ahead import ROOM, Ahead
from apo.candidate import Failure
from tests.eager import PATIENCE, Eager, ask


def test_long_texts_are_asked_at_once() -> None:
    """Though the stream under way has requests left; each once, also if it failed."""
    asked: dict[str, threading.Event] = {name: threading.Event() for name in ("text", "other", "last")}

    def answer(request: Request) -> str | Failure:
        asked.get(str(request.rendered), threading.Event()).set()
        return Failure("server", "no") if request.rendered == "other" else f"to {request.rendered}"

    def requests() -> Iterator[Request]:
        yield from ask("first")
        ahead.early(ask("text", "other"))
        assert asked["text"].wait(PATIENCE)
        assert asked["other"].wait(PATIENCE)
        yield from ask("second")

    backend = Eager(answer)
    with closing(Ahead(backend)) as ahead:
        list(ahead.stream(requests()))
        ahead.early(ask("text", "other", "last"))
        assert asked["last"].wait(PATIENCE)
        ((_, completion),) = ahead.stream(ask("text"))
    assert completion.text == "to text"
    assert backend.asked["text"] == backend.asked["other"] == 1


def test_requests_go_out_together() -> None:
    """Room for one alone is not used: each group takes a thread, and begins alike."""
    sizes, left, over = list[int](), [400], threading.Event()

    class Grouped(Eager):
        """Takes down how many requests a stream has, and when all are answered."""

        def stream(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
            """As ever."""
            taken = list(requests)
            sizes.append(len(taken))
            for answered in super().stream(taken):
                left[0] -= str(answered[0].rendered).startswith("next")
                if not left[0]:
                    over.set()
                yield answered

    def answer(request: Request) -> str:
        assert request.rendered != "slow" or over.wait(PATIENCE)
        return ""

    with closing(Ahead(Grouped(answer))) as ahead:
        stream = ahead.stream(ask("first", "slow"))
        next(stream)
        ahead.expect(ask(*(f"next {n}" for n in range(400))))
        list(stream)
    assert sum(sizes) == 2 + 400
    groups = sorted(sizes[1:])
    assert groups[1] >= ROOM
    assert len(groups) <= 400 / ROOM + 1


def test_failures_leave_others_under_way() -> None:
    """One that failed in a group and is asked again is no second time given up when that group ends."""
    began, failed, over = threading.Event(), threading.Event(), threading.Event()

    def answer(request: Request) -> str | Failure:
        match request.rendered:
            case "bad" if not failed.is_set():
                failed.set()
                return Failure("server", "busy")
            case "bad":
                began.set()
                assert over.wait(PATIENCE)
            case "slow":
                assert began.wait(PATIENCE)
            case "group":
                assert began.wait(PATIENCE)
        return f"to {request.rendered}"

    backend = Eager(answer)
    with closing(Ahead(backend)) as ahead:
        stream = ahead.stream(ask("first", "slow"))
        next(stream)
        ahead.expect(ask("bad", "group"))
        assert failed.wait(PATIENCE)
        while not began.is_set():
            ahead.expect(ask("bad"))
        list(stream)
        group = list(ahead.stream(ask("group")))
        threading.Timer(0.1, over.set).start()
        again = list(ahead.stream(ask("bad")))
    assert [c.text for _, c in (*group, *again)] == ["to group", "to bad"]
    assert backend.asked["bad"] == 2


def test_nothing_is_begun_once_closed() -> None:
    """What waits for a thread is forgotten, and what is named later too; streams still answer."""
    backend = Eager(lambda request: f"to {request.rendered}")
    ahead = Ahead(backend)
    ahead.close()
    ahead.early(ask("text"))
    ahead.spare(ask("spare"))
    answers = {str(r.rendered): c.text for r, c in ahead.stream(ask("text", "other"))}
    assert answers == {"text": "to text", "other": "to other"}
    assert ahead.asked == 0
