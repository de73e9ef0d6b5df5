"""The metered model: replies in order, calls bounded, everything counted."""

from collections.abc import Iterable, Iterator
from random import Random

import msgspec
import pytest

from apo.backends import Completion, Request
from apo.backends.scripted import Scripted
from apo.budget import Spend
from apo.candidate import Failure, Usage
from apo.metering import MeteredModel, Reply
from apo.prompt import Message, as_text


def chats(*texts: str) -> list[tuple[Message, ...]]:
    """Chats of one turn."""
    return [(Message("user", text),) for text in texts]


def echo(request: Request) -> str | Failure:
    """The request's own text; one that says `fail` gets no answer."""
    text = as_text(request.rendered)
    return Failure("timeout", "slow") if "fail" in text else text


def test_replies_in_order() -> None:
    """One reply for each chat, in the order asked."""
    replies = MeteredModel(Scripted(echo), 9).ask(chats("a", "b", "c"), Random(0))

    assert [Reply("a"), Reply("b"), Reply("c")] == replies


def test_order_is_kept_whatever_comes_first() -> None:
    """Replies that arrive in another order stand where they were asked."""

    class Backwards(Scripted):
        """Answers the last request first."""

        def stream(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
            """All answers, turned round."""
            yield from reversed(list(super().stream(requests)))

    replies = MeteredModel(Backwards(echo), 9).ask(chats("a", "b", "c"), Random(0))

    assert [Reply("a"), Reply("b"), Reply("c")] == replies


@pytest.mark.parametrize("allowance", [-1, 0, 1, 2, 3, 9])
def test_allowance(allowance: int) -> None:
    """Chats beyond the allowance are not asked and have no reply."""
    backend = Scripted(echo)
    replies = MeteredModel(backend, allowance).ask(chats("a", "b", "c"), Random(0))
    asked = max(0, min(allowance, 3))

    assert asked == len(backend.requests)
    assert [True] * asked + [False] * (3 - asked) == [reply is not None for reply in replies]


def test_allowance_over_several_asks() -> None:
    """The allowance is for all asks together."""
    backend = Scripted(echo)
    model = MeteredModel(backend, 3)
    model.ask(chats("a", "b"), Random(0))
    replies = model.ask(chats("c", "d"), Random(0))

    assert [Reply("c"), None] == replies
    assert 3 == model.spend.calls == len(backend.requests)


def test_spend_counts_tokens() -> None:
    """Calls and tokens of both directions are added up."""
    model = MeteredModel(Scripted(lambda _: "one two three"), 9)
    model.ask(chats("a b", "c"), Random(0))

    assert Spend(2, 3, 6) == model.spend


def test_what_the_cache_answered_is_told() -> None:
    """A reply from the cache counts as a call, and as one of the cache's."""

    class Cached(Scripted):
        """Has all answers already."""

        def stream(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
            """The same answers, marked."""
            for request, done in super().stream(requests):
                usage = msgspec.structs.replace(done.usage, cached=True)
                yield request, msgspec.structs.replace(done, usage=usage)

    model = MeteredModel(Cached(echo), 9)
    model.ask(chats("a", "b"), Random(0))

    assert (2, 2) == (model.spend.calls, model.spend.cached)


def test_failures_cost_and_are_kept() -> None:
    """A failed call has no reply, is charged, and is kept with its reason."""
    model = MeteredModel(Scripted(echo), 9)
    replies = model.ask(chats("a", "fail b", "c"), Random(0))

    assert [Reply("a"), None, Reply("c")] == replies
    assert [Failure("timeout", "slow")] == model.failures
    assert Spend(3, 4, 2) == model.spend


def test_nothing_asked() -> None:
    """No chat costs nothing."""
    model = MeteredModel(Scripted(echo), 9)

    assert [] == model.ask([], Random(0))
    assert Spend() == model.spend


def test_cut_off_is_told() -> None:
    """A reply that the token limit stopped says so."""
    model = MeteredModel(Scripted(lambda _: Completion("half", Usage(), cut_off=True)), 9)

    assert [Reply("half", cut_off=True)] == model.ask(chats("a"), Random(0))


def test_settings_are_sent() -> None:
    """Token limit and temperature reach the backend, and each request has its own seed."""
    backend = Scripted(echo)
    MeteredModel(backend, 9).ask(chats("a", "a"), Random(0), max_tokens=7, temperature=0.3)
    first, second = backend.requests

    assert (7, 0.3, 7, 0.3) == (first.max_tokens, first.temperature, second.max_tokens, second.temperature)
    assert first.seed is not None
    assert first.seed != second.seed


def test_seeds_follow_the_draws() -> None:
    """The same draws give the same seeds, whether all chats are allowed or some."""
    some, every = Scripted(echo), Scripted(echo)
    MeteredModel(some, 1).ask(chats("a", "b"), Random(5))
    MeteredModel(every, 9).ask(chats("a", "b"), Random(5))

    assert some.requests[0].seed == every.requests[0].seed
