"""The patient backend: a row's own failure is told from a lost server, and nothing is asked in vain."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo.backends import Completion, Request
from apo.backends.patient import MANY, PROBE_EVERY, SOME, Patient
from apo.backends.scripted import Scripted
from apo.candidate import Failure, FailureKind
from apo.errors import RunError, ServerError
from tests.helpers import FrozenClock

Says = Callable[[str, int], FailureKind | None]
"""How the server fails for a tag when it is asked the n-th time (from 0) in all; None: it answers."""


@dataclass
class Setting:
    """A patient backend around a scripted one, with its own time, and all that happened."""

    says: Says
    patience: float = 60.0
    clock: FrozenClock = field(default_factory=FrozenClock)
    asked: list[str] = field(default_factory=list)
    told: list[str | None] = field(default_factory=list)
    revived: int = 0
    failing: int = 0
    """How many tries to start the server again fail."""

    def backend(self) -> Patient:
        """The backend."""
        return Patient(
            Scripted(self._answer),
            self.patience,
            self._revive,
            self.told.append,
            self.clock.advance,
            self.clock,
        )

    def _answer(self, request: Request) -> str | Failure:
        kind = self.says(request.tag, len(self.asked))
        self.asked.append(request.tag)
        return request.tag if kind is None else Failure(kind, f"{kind} \x1b {request.tag}.")

    def _revive(self) -> None:
        self.revived += 1
        if self.revived <= self.failing:
            raise ServerError("no memory")

    def answers(self, count: int = 40) -> dict[str, FailureKind | None]:
        """What comes out, each tag once."""
        found = list(self.backend().stream(requests(count)))
        assert len(found) == len({request.tag for request, _ in found})
        assert all(done.failure is not None or done.text == request.tag for request, done in found)
        return {request.tag: done.failure.kind if done.failure else None for request, done in found}


def requests(count: int) -> list[Request]:
    """Requests that can be told apart."""
    return [Request(f"row {n}", 5, tag=str(n)) for n in range(count)]


def failed(answers: dict[str, FailureKind | None]) -> list[str]:
    """The tags without an answer."""
    return [tag for tag, kind in answers.items() if kind is not None]


def test_all_well() -> None:
    """A server that works is asked everything once, and nothing is told."""
    run = Setting(lambda tag, n: None)

    assert [] == failed(run.answers())
    assert ([str(n) for n in range(40)], [], 0) == (run.asked, run.told, run.revived)


@pytest.mark.parametrize("bad", [{"3", "9", "20", "21", "39"}, {"0", "1", "2", "3"}, {"39"}], ids=len)
@pytest.mark.parametrize("kind", ["server", "timeout", "rate_limit", "request", "refusal", "context"])
def test_rows_that_fail_by_themselves(bad: set[str], kind: FailureKind) -> None:
    """A row that fails twice while the server is seen to be well fails by itself; nothing waits.

    Beside the second chance that costs a look at the server before it and one after. What another try
    cannot heal gets none, and what speaks of the request alone needs no look.
    """
    run = Setting(lambda tag, n: kind if tag in bad else None)
    more = {"request": 1, "refusal": 0, "context": 0}.get(kind, len(bad) + 2)

    assert sorted(bad) == sorted(failed(run.answers()))
    assert ([], 40 + more) == (run.told, len(run.asked))


@pytest.mark.parametrize("begin", [0, 3, 30])
@pytest.mark.parametrize("kind", ["connection", "server", "timeout"])
def test_lost_and_back(begin: int, kind: FailureKind) -> None:
    """While the server is lost the run waits and says why at each look; then every row is answered."""
    run = Setting(lambda tag, n: kind if begin <= n < begin + 40 else None, patience=1e6)
    tags = run.answers(60)

    assert ([], 60) == (failed(tags), len(tags))
    assert None is run.told[-1]
    assert all(why is not None and why.startswith(f"{kind}: {kind} \x1b ") for why in run.told[:-1])
    assert run.revived == len(run.told) - 1 > 1
    assert 1 == run.told.count(None)


def test_a_start_that_fails() -> None:
    """Why a server cannot be started again is told, and it is tried again."""
    run = Setting(lambda tag, n: "connection" if 10 <= n < 60 else None, patience=1e6, failing=2)

    assert [] == failed(run.answers())
    assert 2 == run.told.count("no memory")
    assert run.revived > 2


def test_a_server_that_never_starts() -> None:
    """After so much patience the run ends, and says how to go on."""
    run = Setting(lambda tag, n: "connection" if n >= 10 else None, failing=1000)

    with pytest.raises(RunError, match=r"did not come back within 60 seconds.*apo resume"):
        run.answers()


def test_kept_back_rows_are_asked_again_once() -> None:
    """Rows that failed while the server was lost are asked once more; looks ask what was answered before."""
    looks = 5
    run = Setting(lambda tag, n: "connection" if 10 <= n < 10 + MANY + looks else None, patience=1e6)
    run.answers(60)
    counts = Counter(run.asked)

    assert 1 + looks + 1 == counts["9"]
    assert {2} == {counts[str(n)] for n in range(10, 10 + MANY)}
    assert {1} == {counts[str(n)] for n in (*range(9), *range(10 + MANY, 60))}


def test_row_that_fails_for_good_does_not_hide_that_the_server_is_back() -> None:
    """Looks go through the rows in turn, so a poisoned one cannot end the run."""
    run = Setting(lambda tag, n: "server" if tag == "10" or 10 <= n < 10 + MANY + 5 else None)

    assert ["10"] == failed(run.answers(60))


@pytest.mark.parametrize(("before", "most"), [(0, SOME), (1, MANY)])
def test_lost_server_is_noticed_soon(before: int, most: int) -> None:
    """A lost server is asked few rows in vain: fewer if it has never answered."""
    run = Setting(lambda tag, n: None if n < before else "connection", patience=0)
    with pytest.raises(RunError, match="did not come back"):
        run.answers(1000)

    assert before + most + 1 == len(run.asked)


@pytest.mark.parametrize("patience", [0.0, 10.0, 61.0])
def test_gives_up(patience: float) -> None:
    """Who never comes back ends the run after the patience, with why and with what to do."""
    run = Setting(lambda tag, n: "connection", patience)
    told = f"come back within {patience:.0f} seconds: connection: connection \x1b \\d. Bring it back and"
    with pytest.raises(RunError, match=told):
        run.answers()

    assert patience <= run.clock.now - 1_000_000 <= patience + PROBE_EVERY
    assert None not in run.told


@pytest.mark.parametrize("kind", ["authentication", "model"])
@pytest.mark.parametrize("begin", [0, 17])
def test_fatal(kind: FailureKind, begin: int) -> None:
    """A refused key, or another model, ends the run at once; those answered before came out."""
    run = Setting(lambda tag, n: None if n < begin else kind)
    came: list[str] = []
    with pytest.raises(RunError, match=f"refuses every request: {kind}: .*go on with `apo resume`"):
        note(run.backend().stream(requests(40)), came)

    assert begin + 1 == len(run.asked)
    assert [str(n) for n in range(begin)] == came


def note(answers: Iterator[tuple[Request, Completion]], came: list[str]) -> None:
    """Note what comes, until something is raised."""
    for request, _ in answers:
        came.append(request.tag)


def test_refuses_everything() -> None:
    """A server that takes no request at all is no lost one: waiting would not help."""
    run = Setting(lambda tag, n: "request")
    with pytest.raises(RunError, match="takes no request at all: request: "):
        run.answers()

    assert ([], SOME + 1) == (run.told, len(run.asked))


def test_refused_row_before_the_server_is_lost() -> None:
    """A row that the server does not take says nothing of the server that is lost right afterwards."""
    run = Setting(
        lambda tag, n: "request" if tag == "7" else "connection" if 8 <= n < 12 else None, patience=1e6
    )

    assert ["7"] == failed(run.answers(10))
    assert None is run.told[-1]


@pytest.mark.parametrize("kind", ["context", "refusal"])
def test_own_failures_show_that_the_server_is_well(kind: FailureKind) -> None:
    """However many rows do not fit, the server is not lost."""
    run = Setting(lambda tag, n: kind)

    assert 100 == len(failed(run.answers(100)))
    assert [] == run.told


def test_interrupted_while_waiting() -> None:
    """Whoever does not want to wait ends the wait."""

    def leave(why: str | None) -> None:
        raise KeyboardInterrupt

    patient = Patient(Scripted(lambda r: Failure("connection", "gone")), tell=leave, sleep=lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        list(patient.stream(requests(40)))


@pytest.mark.parametrize("poison", [{"3"}, {"3", "17"}, {"39"}], ids=len)
def test_requests_that_take_the_server_down(poison: set[str]) -> None:
    """They alone have no answer in the end, and the server is started a bounded number of times."""
    fell_at = [-1]

    def says(tag: str, n: int) -> FailureKind | None:
        if fell_at[0] < run.revived and tag in poison:
            fell_at[0] = run.revived
        return "connection" if fell_at[0] == run.revived else None

    run = Setting(says)

    assert sorted(poison) == sorted(failed(run.answers()))
    assert run.revived <= 2 + len(poison)
    assert max(Counter(run.asked).values()) <= 3 + 4 * run.revived


def test_nothing_to_ask() -> None:
    """No request, no answer, no wait."""
    run = Setting(lambda tag, n: "connection")

    assert ({}, []) == (run.answers(0), run.told)


@settings(max_examples=200)
@given(
    count=st.integers(0, 70),
    bad=st.dictionaries(
        st.integers(0, 69), st.sampled_from(["server", "request", "context"]), max_size=SOME - 1
    ),
    outages=st.lists(st.tuples(st.integers(0, 150), st.integers(1, 60)), max_size=4),
)
def test_every_request_is_answered_once(
    count: int, bad: dict[int, FailureKind], outages: list[tuple[int, int]]
) -> None:
    """Whatever fails when, each request comes out once, with the last that the server said of it."""
    last: dict[str, FailureKind | None] = {}

    def says(tag: str, n: int) -> FailureKind | None:
        lost = any(begin <= n < begin + length for begin, length in outages)
        last[tag] = "connection" if lost else bad.get(int(tag))
        return last[tag]

    # Rows that are always answered, last: so that the server is seen to be back.
    well = [str(n) for n in range(count, count + 2)]
    run = Setting(lambda tag, n: says(tag, n) if tag not in well else None, patience=1e4)
    tags = run.answers(count + 2)

    assert {*last, *well} == set(tags)
    assert {tag: kind for tag, kind in last.items() if kind} == {tag: tags[tag] for tag in failed(tags)}
