"""Several servers as one: load follows speed, and as long as one lives every request is answered once."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo.backends import Completion, Request
from apo.backends.concurrency import Concurrency
from apo.backends.dealing import Server
from apo.backends.fleet import FEW, Fleet
from apo.backends.openai import OpenAI
from apo.backends.patient import Patient
from apo.backends.retries import Retries
from apo.backends.scripted import Scripted
from apo.candidate import Failure, FailureKind
from apo.errors import RunError
from tests.little_server import Asked, LittleServer, Reply, error, serving, unused_url
from tests.test_openai_backend import KEY, echo, numbered

GONE = Failure("connection", "gone")
Says = Callable[[Asked], Reply]


@dataclass
class Several:
    """A fleet over little servers, and what it told."""

    fleet: Fleet
    servers: list[LittleServer]
    told: list[str] = field(default_factory=list)

    def answered(self) -> list[int]:
        """How many requests each server was asked."""
        return [len(server.asked) for server in self.servers]


@contextmanager
def several(
    *says: Says, limit: int = 4, looks: Callable[[int], Failure | None] = lambda _place: None
) -> Iterator[Several]:
    """Little servers that answer like this; `looks` says why the n-th is lost when it is looked at."""
    with ExitStack() as stack:
        running = [stack.enter_context(serving(one)) for one in says]
        members = []
        for place, server in enumerate(running):
            backend = OpenAI(
                base_url=server.url,
                api_key=KEY,
                model="m",
                concurrency=Concurrency(limit, limit),
                retries=Retries(1),
            )
            stack.callback(backend.close)
            members.append(Server(f"s{place}", backend, partial(looks, place)))
        told: list[str] = []
        fleet = Fleet(members, told.append, look_every=0.02)
        stack.callback(fleet.close)
        yield Several(fleet, running, told)


def answers(backend: Fleet | Patient, count: int = 60) -> dict[str, Completion]:
    """What comes for numbered requests, each once."""
    found = list(backend.stream(numbered(count)))
    assert len(found) == len({request.tag for request, _ in found}) == count
    return {request.tag: completion for request, completion in found}


def texts(found: dict[str, Completion]) -> dict[str, str]:
    """Their texts, where there was no failure."""
    return {tag: done.text for tag, done in found.items() if done.failure is None}


def all_of(count: int) -> dict[str, str]:
    """What little servers that repeat the request answer."""
    return {str(n): str(n) for n in range(count)}


def after(seconds: float) -> Says:
    """A server that takes its time."""
    return lambda asked: Reply(body=echo(asked).body, delay=seconds)


def dying(after: int, reply: Reply) -> Says:
    """A server that answers so many requests, then only this."""
    served = iter(range(10_000))
    return lambda asked: echo(asked) if next(served) < after else reply


def test_nothing_to_ask() -> None:
    """No request, no answer."""
    with several(echo, echo) as two:
        assert {} == answers(two.fleet, 0)


def test_faster_servers_answer_more() -> None:
    """A server of a fifth of the speed gets far less than half, and does not keep the others waiting."""
    with several(after(0.02), after(0.1)) as two:
        assert all_of(120) == texts(answers(two.fleet, 120))
        fast, slow = two.answered()

    assert 0 < slow < 40
    assert fast > 80
    assert [] == two.told


def test_short_streams_are_shared_too() -> None:
    """What one server alone could hold is shared: twelve requests are asked of both."""
    with several(after(0.05), after(0.05), limit=32) as two:
        assert all_of(12) == texts(answers(two.fleet, 12))

    assert [6, 6] == [server.most_at_once for server in two.servers]


@pytest.mark.parametrize(
    "death", [Reply(hangs_up=True), Reply(401, error("expired")), Reply(503, error("overloaded"))], ids=str
)
@pytest.mark.parametrize("begin", [0, 9])
def test_one_of_three_dies(begin: int, death: Reply) -> None:
    """Its requests are asked of the others, it gets no more, and that is told once."""
    looks = {0: None, 1: GONE, 2: None}
    with several(after(0.01), dying(begin, death), after(0.01), looks=looks.get) as three:
        assert all_of(200) == texts(answers(three.fleet, 200))
        assert all_of(60) == texts(answers(three.fleet))
        asked = three.answered()[1]

    assert asked <= begin + FEW + 20  # those under way, and a few that were on their way meanwhile
    assert 1 == len(three.told)
    assert three.told[0].startswith("The server at s1 is lost (")


def test_comes_back() -> None:
    """A server that answers again is found, tried with one request, told, and used."""
    dead = threading.Event()
    dead.set()

    def second(asked: Asked) -> Reply:
        return Reply(hangs_up=True) if dead.is_set() else echo(asked)

    with several(
        after(0.01), second, looks=lambda place: GONE if place == 1 and dead.is_set() else None
    ) as two:
        assert all_of(60) == texts(answers(two.fleet))
        dead.clear()
        before = two.answered()[1]
        for _ in range(20):
            assert all_of(60) == texts(answers(two.fleet))
            if len(two.told) == 2:
                break

        assert two.answered()[1] > before
        assert ["The server at s1 is lost (connection: gone). The others go on without it."] == two.told[:1]
        assert ["The server at s1 answers again."] == two.told[1:]


def test_one_hangs() -> None:
    """What a server has for too long is asked of another, and the stream does not wait for it."""
    with several(after(0.01), lambda asked: Reply(delay=5.0)) as two:
        assert all_of(40) == texts(answers(two.fleet, 40))

    assert two.answered()[0] == 40


@pytest.mark.parametrize("kind", [400, 500])
def test_rows_that_fail_everywhere(kind: int) -> None:
    """A row that no server can answer has failed once each was asked; the others are answered."""
    bad = {"3", "17"}

    def says(asked: Asked) -> Reply:
        text = asked.body["messages"][-1]["content"]
        return Reply(kind, error("no")) if text in bad else echo(asked)

    with several(says, says) as two:
        found = answers(two.fleet)
        asked = Counter(a.body["messages"][-1]["content"] for s in two.servers for a in s.asked)

    assert bad == set(found) - set(texts(found))
    assert {2} == {asked[text] for text in bad}
    assert [] == two.told


def test_a_prompt_that_no_server_takes() -> None:
    """Refusals in a row say nothing against a server: what it is about to answer is not asked again."""
    bad = {str(n) for n in range(20, 40)}

    def says(asked: Asked) -> Reply:
        text = asked.body["messages"][-1]["content"]
        return Reply(400, error("no system role")) if text in bad else Reply(body=echo(asked).body, delay=0.2)

    with several(says, says, limit=16) as two:
        found = answers(two.fleet)
        asked = Counter(a.body["messages"][-1]["content"] for s in two.servers for a in s.asked)

    assert bad == set(found) - set(texts(found))
    assert {text: 2 if text in bad else 1 for text in found} == asked


def test_all_are_lost_and_come_back() -> None:
    """Only then does the run wait; it goes on as soon as one is back."""
    dead = [True, True]

    def says(place: int) -> Says:
        return lambda asked: Reply(hangs_up=True) if dead[place] else echo(asked)

    lost: list[str | None] = []

    def sleep(_seconds: float) -> None:
        dead[1] = len(lost) < 3

    with several(says(0), says(1), looks=lambda place: GONE if dead[place] else None) as two:
        patient = Patient(two.fleet, 60, tell=lost.append, sleep=sleep)
        assert all_of(60) == texts(answers(patient))

    assert ["connection: gone.", None] == [lost[0], lost[-1]]


def test_all_stay_lost() -> None:
    """Few requests are asked in vain before the run gives up."""
    read: list[str] = []

    def noted() -> Iterator[Request]:
        for request in numbered(1000):
            read.append(request.tag)
            yield request

    with ExitStack() as stack:
        members = []
        for place in range(2):
            url, flight = unused_url(), Concurrency(32)
            backend = OpenAI(base_url=url, api_key=KEY, model="m", concurrency=flight, retries=Retries(1))
            stack.callback(backend.close)
            members.append(Server(f"s{place}", backend, lambda: GONE))
        patient = Patient(Fleet(members, look_every=0.02), 0, sleep=lambda _: None)
        with pytest.raises(RunError, match="did not come back within 0 seconds: connection: gone"):
            list(patient.stream(noted()))

    assert len(read) < 200  # what both take at once, and what is read ahead


def test_closed_early() -> None:
    """A stream that is closed drops what is under way; the fleet can be asked again."""
    with several(after(0.05), after(0.05)) as two:
        stream = two.fleet.stream(numbered(500))
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        assert sum(two.answered()) < 40
        assert all_of(10) == texts(answers(two.fleet, 10))


def test_error_of_whoever_asks() -> None:
    """What the requests' own iterator raises comes out, and nothing hangs."""

    def broken() -> Iterator[Request]:
        yield from numbered(3)
        raise RunError("no more")

    with several(echo, echo) as two, pytest.raises(RunError, match="no more"):
        list(two.fleet.stream(broken()))


Outage = tuple[int, int, FailureKind]
OUTAGES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 30), st.sampled_from(["connection", "server", "model"])),
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(0, 150), others=st.lists(OUTAGES, min_size=1, max_size=3), place=st.integers(0, 3))
def test_every_request_is_answered_once(count: int, others: list[list[Outage]], place: int) -> None:
    """Whatever dies when and comes back when, as long as one server lives."""

    def member(name: str, outages: list[Outage]) -> Server:
        asked = iter(range(10_000))

        def answer(request: Request) -> str | Failure:
            n = next(asked)
            kinds = [kind for begin, length, kind in outages if begin <= n < begin + length]
            return Failure(kinds[0], "out") if kinds else "yes"

        return Server(name, Scripted(answer), lambda: None)

    members = [member(f"s{n}", outages) for n, outages in enumerate(others)]
    members.insert(min(place, len(members)), member("lives", []))
    fleet = Fleet(members, look_every=0.001)
    found = list(fleet.stream([Request(f"row {n}", 5, tag="same") for n in range(count)]))
    fleet.close()

    assert sorted(f"row {n}" for n in range(count)) == sorted(str(request.rendered) for request, _ in found)
    assert {("same", "yes", None)} >= {(r.tag, done.text, done.failure) for r, done in found}
