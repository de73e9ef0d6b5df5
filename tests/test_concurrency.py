"""Concurrency: the limit climbs while that pays, and falls when a server asks for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.backends.concurrency import GROWTH, REST, Concurrency


class Server:
    """A server that answers `rate(limit)` requests a second."""

    def __init__(self, concurrency: Concurrency, now: float = 100.0) -> None:
        self.concurrency = concurrency
        self.now = now

    def answer(self, count: int, rate: float, backlog: bool = True) -> None:
        """So many answers at that rate."""
        for _ in range(count):
            self.now += 1 / rate
            self.concurrency.finished(self.now, backlog)


def climb(rates: dict[int, float], start: int = 4, most: int = 64) -> list[int]:
    """The limits that are tried one after the other where each level answers at its rate."""
    concurrency = Concurrency(start, most)
    server = Server(concurrency)
    tried = [start]
    for _ in range(20):
        server.answer(2 * concurrency.limit + 1, rates[concurrency.limit])
        if concurrency.limit != tried[-1]:
            tried.append(concurrency.limit)
    return tried


def test_doubles_while_it_pays() -> None:
    """Each level that answers faster is followed by twice as many, up to the most."""
    assert climb({4: 10, 8: 20, 16: 40, 32: 80, 64: 160}) == [4, 8, 16, 32, 64]


def test_stops_when_it_does_not_pay() -> None:
    """A level that is hardly faster than the one before is not followed by a larger one."""
    assert climb({4: 10, 8: 20, 16: 20.5, 32: 99}) == [4, 8, 16]


def test_most_not_a_doubling() -> None:
    """The most is reached even where doubling would pass it."""
    assert climb({4: 10, 8: 20, 12: 40}, most=12) == [4, 8, 12]


@pytest.mark.parametrize(
    ("gain", "expected"), [(GROWTH - 0.02, 8), (GROWTH + 0.02, 16)], ids=["below", "above"]
)
def test_growth(gain: float, expected: int) -> None:
    """The gain that is worth a doubling is fixed."""
    assert expected == climb({4: 10, 8: 10 * gain, 16: 10.0})[-1]


def test_two_rounds() -> None:
    """A level is judged after two rounds of answers, not before."""
    concurrency = Concurrency(4, 64)
    server = Server(concurrency)
    limits = []
    for _ in range(9):
        server.answer(1, 10)
        limits.append(concurrency.limit)

    assert [4] * 8 + [8] == limits


def test_no_backlog() -> None:
    """When no request waits, the rate tells nothing of the server, and counting starts anew."""
    concurrency = Concurrency(4, 64)
    server = Server(concurrency)
    for _ in range(10):
        server.answer(7, 10)
        server.answer(3, 10, backlog=False)

    assert concurrency.limit == 4


def test_same_instant() -> None:
    """Answers that all come at one instant have no rate, and no division fails."""
    concurrency = Concurrency(4, 64)
    for _ in range(50):
        concurrency.finished(1.0, True)

    assert concurrency.limit == 4


@pytest.mark.parametrize(("start", "expected"), [(32, 16), (5, 2), (2, 1), (1, 1)])
def test_refused(start: int, expected: int) -> None:
    """A refusal halves the limit, down to one."""
    concurrency = Concurrency(start)
    concurrency.refused(0.0)

    assert expected == concurrency.limit


def test_refused_together() -> None:
    """A burst of refusals counts once; one after a rest counts again."""
    concurrency = Concurrency(32)
    for now in (0.0, 0.1, REST - 0.1, REST + 0.1):
        concurrency.refused(now)

    assert concurrency.limit == 8


def test_refused_for_good() -> None:
    """After a refusal the limit does not climb again."""
    concurrency = Concurrency(4, 64)
    concurrency.refused(0.0)
    Server(concurrency).answer(200, 1000)

    assert concurrency.limit == 2


@given(
    st.lists(st.tuples(st.integers(1, 200), st.floats(0.1, 1000), st.booleans(), st.booleans())),
    st.integers(1, 64),
)
def test_bounds(happenings: list[tuple[int, float, bool, bool]], start: int) -> None:
    """Whatever a server does, the limit stays between one and the most."""
    concurrency = Concurrency(start, 64)
    server = Server(concurrency)
    for count, rate, backlog, refused in happenings:
        server.answer(count, rate, backlog)
        if refused:
            concurrency.refused(server.now)

        assert 1 <= concurrency.limit <= 64
