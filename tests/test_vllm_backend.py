"""vLLM's engine in a process of a run's own: what goes to it, what comes back, and what if it dies."""

import itertools
import threading
import time

import pytest

from apo.backends import Completion, Request
from apo.backends.frames import Answer, Answered, Refused, pack
from apo.backends.patient import Patient
from apo.candidate import Usage
from apo.prompt import Message, as_text
from tests.scripted_engine import READY, said, scripted_engine


def ask(text: str, tag: str = "") -> Request:
    """A chat of one turn."""
    return Request((Message("user", text),), 16, tag=tag)


def echo(number: int, request: Request) -> Answer:
    """The last word of the request."""
    return said(number, request, as_text(request.rendered).split()[-1])


def test_all_of_a_request_arrives() -> None:
    """Chats and texts come out of the frames as they went in, and their mark with them."""
    chat = (Message("system", "Be brief."), Message("user", "One?"), Message("assistant", "Two."))
    requests = [
        Request(chat, 9, 0.5, 7, ("\n", "Input:"), ("yes", "no"), "mine"),
        Request("Input: {x} é🙂\nAnswer:", 3),
    ]
    with scripted_engine(echo) as (backend, engine):
        list(backend.stream(requests))

    assert requests == engine.asked


def test_order_is_the_askers() -> None:
    """Requests arrive in the order asked, so that prompts that begin alike stay together."""
    requests = [ask(f"say word{n}", str(n)) for n in range(100)]
    with scripted_engine(echo) as (backend, engine):
        list(backend.stream(requests))

    assert requests == engine.asked


@pytest.mark.parametrize(
    ("finish", "cut_off", "kind"),
    [("stop", False, None), ("length", True, None), ("error", False, "server"), ("", False, "server")],
)
def test_finish(finish: str, cut_off: bool, kind: str | None) -> None:
    """How the engine ended an answer; what is no end of the model's is a failure."""
    with scripted_engine(lambda n, r: said(n, r, "two words", finish)) as (backend, _):
        ((_, done),) = backend.stream([ask("x")])

    assert (cut_off, kind) == (done.cut_off, done.failure and done.failure.kind)
    assert ("" if kind else "two words") == done.text
    assert (1, 2) == (done.usage.prompt_tokens, done.usage.completion_tokens)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("This model's maximum context length is 64 tokens. However, your prompt has 90.", "context"),
        ("temperature must be non-negative, got -1.0.", "request"),
    ],
)
def test_refused(message: str, kind: str) -> None:
    """What the engine does not take is the request's own failure, of the kind that a server's would be."""
    with scripted_engine(lambda n, _: Refused(n, message)) as (backend, _):
        ((_, done),) = backend.stream([ask("x")])

    assert done.failure is not None
    assert (kind, message) == (done.failure.kind, done.failure.message)


def test_broken_text_is_not_sent() -> None:
    """Half a surrogate pair cannot be sent; its neighbours are answered."""
    with scripted_engine(echo) as (backend, engine):
        answers = {r.tag: c for r, c in backend.stream([ask("a \ud800", "bad"), ask("say yes", "good")])}

    assert answers["bad"].failure is not None
    assert ("request", "yes") == (answers["bad"].failure.kind, answers["good"].text)
    assert 1 == len(engine.asked)


def test_no_more_than_two_batches() -> None:
    """Of endless requests only so many are taken as the engine can begin soon."""
    pulled = itertools.count()
    with scripted_engine(lambda n, r: echo(n, r) if n == 0 else None) as (backend, _):
        stream = backend.stream(ask(f"say {n}") for n in pulled)
        next(stream)
        taken = next(pulled)
        stream.close()  # type: ignore[attr-defined]

    assert 2 * READY.batch == taken


def test_closing_drops_what_is_under_way() -> None:
    """A stream that is closed tells the engine to give up the rest, and nothing else."""
    with scripted_engine(lambda n, r: echo(n, r) if n % 10 == 0 else None) as (backend, engine):
        stream = backend.stream([ask(f"say {n}") for n in range(5)])
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        again = [c.text for _, c in backend.stream([])]
        backend.close()

    assert ([], [1, 2, 3, 4]) == (again, sorted(engine.dropped))


def test_two_streams_at_once() -> None:
    """Each stream gets its own answers, whichever of them reads."""
    with scripted_engine(echo) as (backend, _):
        one = backend.stream([ask(f"say a{n}") for n in range(30)])
        two = backend.stream([ask(f"say b{n}") for n in range(30)])
        mixed = [c.text for pair in zip(one, two, strict=True) for _, c in pair]

    assert [f"{letter}{n}" for n in range(30) for letter in "ab"] == mixed


def test_silence_is_a_timeout() -> None:
    """An engine that says nothing for too long is given up, and then it is lost: it may be started again."""
    with scripted_engine(lambda n, r: echo(n, r) if n == 0 else None, timeout=0.1) as (backend, engine):
        done = [c for _, c in backend.stream([ask("say a"), ask("say b"), ask("say c")])]
        engine.ends[0].join(10)  # it was hung up on

        assert backend.lost
        assert not engine.ends[0].is_alive()
    assert ["a", "", ""] == [c.text for c in done]
    assert ["timeout"] * 2 == [c.failure.kind for c in done if c.failure]


def test_slow_engine_is_waited_for() -> None:
    """As long as it says that it writes, an engine has all the time that its first answer takes."""
    with scripted_engine(lambda _n, _r: None, timeout=0.5) as (backend, engine):

        def write() -> None:
            assert engine.pipe is not None
            for _ in range(10):
                time.sleep(0.2)
                engine.pipe.send_bytes(pack(Answered([])))
            engine.pipe.send_bytes(pack(Answered([echo(0, asked)])))

        asked = ask("say late")
        writing = threading.Thread(target=write)
        writing.start()
        ((_, done),) = backend.stream([asked])
        writing.join()

    assert (done.text, done.failure) == ("late", None)


def test_death_is_a_value_for_each() -> None:
    """Whoever waits when the process dies, and whoever comes later, gets a failure of the connection."""

    def reply(number: int, request: Request) -> Answer:
        if number == 3:
            raise EOFError
        return echo(number, request)

    with scripted_engine(reply) as (backend, _):
        done = [c for _, c in backend.stream([ask(f"say {n}") for n in range(30)])]
        late = [c for _, c in backend.stream([ask("say more")])]
        lost = backend.lost

    assert ["0", "1", "2"] == [c.text for c in done if c.failure is None]
    assert {"connection"} == {c.failure.kind for c in [*done, *late] if c.failure}
    assert (30, 1, True) == (len(done), len(late), lost)


def test_death_is_survived() -> None:
    """With patience and a revival every row is answered, though the process died twice."""
    deaths = iter([3, 50])
    fatal = [next(deaths)]

    def reply(number: int, request: Request) -> Answer:
        if number == fatal[0]:
            fatal[0] = next(deaths, -1)
            raise EOFError
        return echo(number, request)

    with scripted_engine(reply) as (backend, engine):

        def revive() -> None:
            if backend.lost:
                backend.move(engine.start())

        patient = Patient(backend, revive=revive, sleep=lambda _: None)
        done = list(patient.stream([ask(f"say {n}", str(n)) for n in range(60)]))

    assert {str(n): str(n) for n in range(60)} == {r.tag: c.text for r, c in done}
    assert (60, 3) == (len(done), len(engine.ends))


def test_large_frames_both_ways() -> None:
    """Requests and answers that fill every buffer do not wait for each other."""
    text = "word " * 40_000
    with scripted_engine(lambda n, r: said(n, r, text)) as (backend, _):
        done = [c for _, c in backend.stream([ask(f"{text} {n}") for n in range(40)])]

    assert [text] * 40 == [c.text for c in done]


def test_seconds_are_those_of_the_answer() -> None:
    """A completion says how long it took."""

    def reply(number: int, request: Request) -> Answer:
        time.sleep(0.05)
        return echo(number, request)

    with scripted_engine(reply) as (backend, _):
        ((_, done),) = backend.stream([ask("say yes")])

    assert Completion("yes", Usage(2, 1, done.usage.seconds)) == done
    assert done.usage.seconds >= 0.05
