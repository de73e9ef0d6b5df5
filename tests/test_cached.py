"""The backend with a store in front: what it asks, what it does not, and whom it stops believing."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from apo.backends import Completion, Request
from apo.backends.cached import AHEAD, CHECKS, LEAST, Cached
from apo.backends.completions import Completions
from apo.backends.scripted import Scripted
from apo.candidate import Failure
from apo.prompt import Message, as_text


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Completions]:
    """An empty store."""
    with Completions(tmp_path / "kept" / "completions.sqlite") as opened:
        yield opened


def ask(text: object, tag: str = "") -> Request:
    """A chat of one turn."""
    return Request((Message("user", f"{text}"),), 5, tag=tag)


def spoken(request: Request) -> str:
    """What the usual backend of these tests says."""
    return f"said-{as_text(request.rendered)}"


def other(request: Request) -> str:
    """What another model says."""
    return f"other-{as_text(request.rendered)}"


def cached(store: Completions, answer: Callable[[Request], str | Failure] = spoken, **options: int) -> Cached:
    """A scripted backend behind the store, as a new run has it."""
    return Cached(Scripted(answer), "server", store, **options)


def texts(backend: Cached, requests: list[Request]) -> list[str]:
    """The answers in the order asked; all requests are different."""
    found = {request: done.text for request, done in backend.stream(requests)}
    return [found[request] for request in requests]


def counts(backend: Cached) -> tuple[int, int, int, int]:
    """All counters."""
    return backend.hits, backend.misses, backend.checked, backend.differed


def test_asked_once(store: Completions) -> None:
    """What was answered once is not asked again, and says so in its usage."""
    backend = cached(store)
    first = [done for _, done in backend.stream(map(ask, range(5)))]
    again = [done for _, done in backend.stream(map(ask, range(5)))]

    assert (5, 5, 0, 0) == counts(backend)
    assert [replace(d, usage=replace(d.usage, cached=True)) for d in first] == again
    assert not any(done.usage.cached for done in first)


def test_checks_come_first(store: Completions) -> None:
    """A new object asks the first requests anyway, and the rest comes from the store."""
    requests = [ask(n, f"{n}") for n in range(100)]
    texts(cached(store), requests)
    backend = cached(store)
    answers = list(backend.stream(requests))

    assert (100 - CHECKS, 0, CHECKS, 0) == counts(backend)
    assert {f"{n}" for n in range(CHECKS)} == {r.tag for r, done in answers if not done.usage.cached}
    assert 100 == len({request.tag for request, _ in answers})


def test_few_are_all_checks(store: Completions) -> None:
    """Fewer stored answers than are needed to compare are never simply believed."""
    requests = [ask(n) for n in range(LEAST - 1)]
    texts(cached(store), requests)
    backend = cached(store)
    texts(backend, requests)

    assert (0, 0, LEAST - 1, 0) == counts(backend)


def test_no_checks(store: Completions) -> None:
    """Without checks the store is believed at once."""
    texts(cached(store), [ask("ball")])
    backend = cached(store, other, checks=0)

    assert ["said-ball"] == texts(backend, [ask("ball")])


@pytest.mark.parametrize("differing", [4, 5])
def test_distrust(store: Completions, differing: int) -> None:
    """More than a quarter of other answers end the belief; a quarter does not."""
    requests = [ask(n) for n in range(60)]
    texts(cached(store), requests)
    changed = requests[CHECKS - differing : CHECKS]
    backend = cached(store, lambda r: other(r) if r in changed else spoken(r))
    texts(backend, requests)

    assert (CHECKS, differing) == (backend.checked, backend.differed)
    assert (differing > CHECKS / 4) == backend.distrusted
    assert (backend.hits > 0) == (differing == 4)


def test_distrusted_store_is_replaced(store: Completions) -> None:
    """A distrusting object takes nothing old, drawn answers included, and the fresh ones are kept."""
    requests = [ask(n) for n in range(60)]
    drawn = [Request(f"{n}", 5, 1.0, n) for n in range(5)]
    texts(cached(store), requests + drawn)
    backend = cached(store, other)
    found = [*texts(backend, requests), *texts(backend, drawn)]
    later = cached(store, other)

    assert backend.distrusted
    assert [other(request) for request in requests + drawn] == found
    assert [other(request) for request in requests + drawn] == texts(backend, requests + drawn)
    assert [other(request) for request in requests + drawn] == texts(later, requests + drawn)
    assert (65, CHECKS) == (backend.hits, backend.checked)
    assert (not later.distrusted, CHECKS, 65 - CHECKS) == (True, later.checked, later.hits)


def test_sampled_draws(store: Completions) -> None:
    """A draw is repeated from the store by its seed; without a seed every draw is new."""
    number = itertools.count()
    requests = [Request("x", 5, 1.0, seed) for seed in (1, 2, None, None)]
    first = texts(cached(store, lambda _: f"{next(number)}"), requests[:3])
    backend = cached(store, lambda _: f"{next(number)}")

    assert ["0", "1", "3"] == [*first[:2], *texts(backend, requests[2:3])]
    assert first[:2] == texts(backend, requests[:2])
    assert (2, 1, 0, 0) == counts(backend)


def test_failures_are_asked_again(store: Completions) -> None:
    """A failure is passed on and never kept."""
    failure = Failure("timeout", "too slow")
    ((_, failed),) = cached(store, lambda _: failure).stream([ask("ball")])

    assert failure == failed.failure
    assert ["said-ball"] == texts(cached(store, checks=0), [ask("ball")])


def test_failed_checks(store: Completions) -> None:
    """A check that fails tells nothing, so another takes its place, until the server answers."""
    requests = [ask(n) for n in range(100)]
    texts(cached(store), requests)
    broken = Failure("server", "down")
    backend = cached(store, lambda r: broken if r in requests[:20] else spoken(r))
    answers = dict(backend.stream(requests))

    assert [None] * 80 == [answers[request].failure for request in requests[20:]]
    assert (64, 20, CHECKS, 0) == counts(backend)


def test_all_checks_fail(store: Completions) -> None:
    """A server that answers nothing is not covered up by the store."""
    requests = [ask(n) for n in range(100)]
    texts(cached(store), requests)
    backend = cached(store, lambda _: Failure("connection", "gone"))

    assert all(done.failure for _, done in backend.stream(requests))
    assert (0, 100, 0, 0) == counts(backend)


def test_many_hits_in_a_row(store: Completions) -> None:
    """Long runs of either kind are each answered once, and never read far ahead."""
    known = {ask(n) for n in range(3 * AHEAD)}
    texts(cached(store), list(known))
    pulled: list[Request] = []

    def lazily() -> Iterator[Request]:
        for n in range(9 * AHEAD):
            pulled.append(ask(n if n // AHEAD % 3 else f"new {n}", f"{n}"))
            yield pulled[-1]

    taken = []
    for request, _ in cached(store).stream(lazily()):
        taken.append(request)
        assert len(pulled) - len(taken) <= 3 * AHEAD

    assert sorted(r.tag for r in pulled) == sorted(r.tag for r in taken)


def test_broken_backend(store: Completions) -> None:
    """An error of the backend comes through, and the object can be used again."""
    working = iter([False, True])

    class Broken(Scripted):
        def stream(self, requests: object) -> Iterator[tuple[Request, Completion]]:
            if not next(working):
                raise OSError("gone")
            return super().stream(requests)  # type: ignore[arg-type]

    backend = Cached(Broken(spoken), "server", store)
    with pytest.raises(OSError, match="gone"):
        list(backend.stream([ask("ball")]))

    assert ["said-ball"] == texts(backend, [ask("ball")])


def test_switched_off(store: Completions) -> None:
    """When the store gives up, the run goes on without it."""
    backend = cached(store)
    store.close()

    assert ["said-1", "said-2", "said-1"] == [d.text for _, d in backend.stream(map(ask, (1, 2, 1)))]
    assert store.problem


REQUESTS = st.builds(
    Request,
    st.sampled_from(["a", "b", "c"]),
    st.just(5),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([None, 1]),
    tag=st.sampled_from(["", "x"]),
)


@given(st.lists(st.lists(REQUESTS, max_size=40), max_size=4), st.sampled_from([0, 1, 3, 16]), st.booleans())
@settings(max_examples=60)
def test_as_the_backend_would(streams: list[list[Request]], checks: int, anew: bool) -> None:
    """Every request of any sequence is answered once, with the text that the backend would give."""

    def answer(request: Request) -> str:
        return f"{request.rendered}-{request.temperature}-{request.seed}"

    with TemporaryDirectory() as folder, Completions(Path(folder) / "kept.sqlite") as store:
        backend = cached(store, answer, checks=checks)
        for requests in streams:
            if anew:
                backend = cached(store, answer, checks=checks)
            before = sum(counts(backend)[:3])
            answers = list(backend.stream(requests))

            assert sorted(map(repr, requests)) == sorted(repr(request) for request, _ in answers)
            assert all(answer(request) == done.text for request, done in answers)
            assert len(requests) == sum(counts(backend)[:3]) - before
            assert (0, False) == (backend.differed, backend.distrusted)
