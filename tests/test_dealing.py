"""Who is asked what: prompts stay together, the end is shared by speed, stragglers get a second server."""

import threading
from collections.abc import Iterator

import pytest

from apo.backends import Completion, Request
from apo.backends.dealing import AHEAD, BACKUP, Deal, Server
from apo.backends.scripted import Scripted
from apo.candidate import Failure, Usage
from apo.prompt import Message
from tests.helpers import FrozenClock

DONE = Completion("yes", Usage())


def two(first: float | None = None, second: float | None = None) -> tuple[Server, Server]:
    """Two servers that take so many seconds for an answer."""
    nobody = Scripted(lambda _: "never asked")
    return Server("s0", nobody, seconds=first), Server("s1", nobody, seconds=second)


def deal(servers: tuple[Server, ...], texts: list[str], clock: FrozenClock | None = None) -> Deal:
    """Requests of these texts for the servers."""
    requests = (Request((Message("user", text),), 5, tag=text) for text in texts)
    return Deal(requests, servers, threading.Condition(), clock or FrozenClock())


def in_turns(*takes: Iterator[Request]) -> list[list[str]]:
    """What each is given, when all have room for one after the other, until there is nothing for any."""
    given: list[list[str]] = [[] for _ in takes]
    more = True
    while more:
        more = False
        for take, mine in zip(takes, given, strict=True):
            request = next(take, None)
            if request is not None:
                more = True
                mine.append(str(request.rendered[0].content))  # type: ignore[union-attr]
    return given


def answered(the: Deal) -> list[str]:
    """Whose answers have come."""
    found = []
    while not the.answers.empty():
        answer = the.answers.get()
        assert isinstance(answer, tuple)
        found.append(answer[0].tag)
    return found


@pytest.mark.parametrize("prompts", [2, 4])
def test_prompts_stay_together(prompts: int) -> None:
    """However prompts alternate in the order given, no prompt is read by two servers."""
    servers = two()
    texts = [f"{str(c) * 200} row {row}" for row in range(12) for c in range(prompts)]
    the = deal(servers, texts)
    given = in_turns(*(the.take(server) for server in servers))
    seen = [{text[0] for text in mine} for mine in given]

    assert sorted(texts) == sorted(given[0] + given[1])
    assert not seen[0] & seen[1]


def test_one_prompt_is_shared() -> None:
    """A server with room does not stay idle for the sake of a prefix."""
    servers = two()
    the = deal(servers, [f"{'a' * 200} row {row}" for row in range(10)])

    assert [5, 5] == [len(mine) for mine in in_turns(*(the.take(server) for server in servers))]


@pytest.mark.parametrize(("seconds", "shares"), [((1, 3), [9, 3]), ((1, 1), [6, 6]), ((2, None), [6, 6])])
def test_the_end_is_shared_by_speed(seconds: tuple[float, float | None], shares: list[int]) -> None:
    """A server that takes three times as long for an answer gets a third as many of the last requests."""
    servers = two(*seconds)
    the = deal(servers, [f"{row}" for row in range(12)])

    assert shares == [len(list(the.take(server))) for server in servers]


def test_long_streams_are_not_held_back() -> None:
    """As long as more may come, a server takes what it has room for."""
    servers = two(1, 1)
    the = deal(servers, [f"{row}" for row in range(5 * AHEAD)])
    take = the.take(servers[0])

    assert 3 * AHEAD == len([next(take) for _ in range(3 * AHEAD)])


def test_stragglers() -> None:
    """An idle server is asked what another has had for too long, once; the first answer counts."""
    clock, servers = FrozenClock(), two(1, 1)
    the = deal(servers, ["a", "b"], clock)
    (first,), (second,) = (list(the.take(server)) for server in servers)
    the.settle(servers[0], first, DONE)

    assert [] == list(the.take(servers[0]))
    clock.advance(BACKUP + 0.1)
    (again,) = the.take(servers[0])
    assert [] == list(the.take(servers[0]))
    the.settle(servers[0], again, DONE)
    the.settle(servers[1], second, DONE)
    assert ["a", "b"] == answered(the)
    assert the.over
    assert servers[1].seconds is not None
    assert servers[1].seconds > 1  # it would have taken longer


def test_failed_everywhere() -> None:
    """A request is asked of each server once; then it has failed."""
    servers = two()
    the = deal(servers, ["a"])
    failed = Completion("", Usage(), failure=Failure("server", "no"))
    for server in servers:
        (request,) = the.take(server)
        the.settle(server, request, failed)
        assert [] == list(the.take(server))

    assert (["a"], True) == (answered(the), the.over)


def test_given_back() -> None:
    """What a lost server has is asked of the other, and it gets nothing more."""
    servers = two()
    the = deal(servers, [f"{row}" for row in range(6)])
    mine = list(the.take(servers[0]))
    servers[0].lost = Failure("connection", "gone")
    the.give_back(servers[0])

    assert [] == list(the.take(servers[0]))
    given = list(the.take(servers[1]))
    assert (3, 6) == (len(mine), len(given))
    for request in given:
        the.settle(servers[1], request, DONE)
    the.settle(servers[0], mine[0], DONE)
    assert [f"{row}" for row in range(6)] == sorted(answered(the))


def test_forfeited() -> None:
    """When all are lost, all have failed, read one by one; what is left when one is back is asked."""
    servers = two()
    why = Failure("connection", "gone")
    for server in servers:
        server.lost = why
    the = deal(servers, [f"{row}" for row in range(6)])
    failed = the.forfeit(why)

    assert {why} == {next(failed)[1].failure for _ in range(4)}
    servers[1].lost = None
    assert [] == list(failed)
    assert 2 == len(list(the.take(servers[1])))
