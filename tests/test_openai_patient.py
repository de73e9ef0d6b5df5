"""A real client against a server that fails for a while, for ever, or on some rows: no row is lost."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from apo.backends import Completion, Request
from apo.backends.concurrency import Concurrency
from apo.backends.patient import Patient
from apo.backends.retries import Retries
from apo.errors import RunError
from tests.little_server import Asked, Reply, error, said, serving, unused_url
from tests.test_openai_backend import CHAT, ONCE, QUICK, backend, echo, numbered


def patiently(
    answer: Callable[[Asked], Reply], count: int = 40, **options: Any
) -> list[tuple[str, Completion]]:
    """The answers of a server to numbered requests, through the patient backend."""
    quick: dict[str, Any] = {"retries": Retries(3, 0.001, 0.01), "concurrency": Concurrency(8, 8), **options}
    with serving(answer) as server, backend(server.url, **quick) as opened:
        patient = Patient(opened, patience=60, sleep=lambda _: None)
        return [(request.tag, completion) for request, completion in patient.stream(numbered(count))]


@pytest.mark.parametrize("said_as", ["gpt-9", "M", "x\x1b", "other-m", "mm"])
def test_another_model_answers(said_as: str) -> None:
    """An answer of another model is none, and ends the run: every row would be of the wrong model."""
    with pytest.raises(RunError, match="refuses every request: model: the server answered as"):
        patiently(lambda _: Reply(body={**said(), "model": said_as}))


@pytest.mark.parametrize("status", [401, 403])
def test_key_refused_in_the_middle(status: int) -> None:
    """A key that expires ends the run with its reason."""
    served = iter(range(1000))
    with pytest.raises(RunError, match=r"refuses every request: authentication: .*expired.*apo resume"):
        patiently(lambda a: echo(a) if next(served) < 20 else Reply(status, error("expired")))


def test_five_of_forty_fail_for_ever() -> None:
    """Five rows that are answered 503 for ever fail by themselves; the other 35 are answered."""
    bad = {"4", "11", "12", "30", "39"}
    counted: Counter[str] = Counter()

    def answer(asked: Asked) -> Reply:
        text = asked.body["messages"][-1]["content"]
        counted[text] += 1
        return Reply(503, error("overloaded")) if text in bad else echo(asked)

    answers = patiently(answer)
    failed = {tag for tag, completion in answers if completion.failure is not None}

    assert (40, bad) == (len(answers), failed)
    assert all(completion.text == tag for tag, completion in answers if tag not in bad)
    assert {6} == {counted[tag] for tag in bad}  # three tries, and a second chance of three
    assert {"server"} == {c.failure.kind for _, c in answers if c.failure is not None}


@pytest.mark.parametrize("begin", [0, 17])
def test_unavailable_for_a_while(begin: int) -> None:
    """A server that answers 503 to everything for a while costs time and no row."""
    served = iter(range(10_000))
    answers = patiently(
        lambda a: Reply(503, error("starting")) if begin <= next(served) < begin + 80 else echo(a),
        count=begin + 40,
    )

    assert {str(n): str(n) for n in range(begin + 40)} == {tag: done.text for tag, done in answers}
    assert begin + 40 == len(answers)


def test_refused_connections_for_a_while() -> None:
    """Where nothing listens the run waits, and goes on with the server that was started meanwhile."""
    told: list[str | None] = []
    with serving(echo) as server, backend(unused_url(), retries=Retries(2, 0.001, 0.01)) as opened:

        def revive() -> None:
            if len(told) == 3:
                opened.move(server.url, "another-key")

        patient = Patient(opened, 60, revive, told.append, sleep=lambda _: None)
        answers = [(request.tag, completion.text) for request, completion in patient.stream(numbered(30))]
        keys = {asked.key for asked in server.asked}

    assert sorted((str(n), str(n)) for n in range(30)) == sorted(answers)
    assert [True, True, True, None] == [why and why.startswith("connection: ") for why in told]
    assert {"another-key"} == keys


def test_server_that_never_comes_back() -> None:
    """Where nothing ever listens the run gives up with its reason, and asks few rows in vain."""
    with backend(unused_url(), retries=Retries(1)) as opened:
        patient = Patient(opened, patience=0, sleep=lambda _: None)
        with pytest.raises(RunError, match=r"did not come back within 0 seconds: connection: .*apo resume"):
            list(patient.stream(numbered(1000)))


def test_final_failure_is_not_tried_again() -> None:
    """A server that says that another try is of no use is believed."""
    with (
        serving(lambda _: Reply(500, error("broken"), headers=ONCE)) as server,
        backend(server.url, retries=QUICK) as opened,
    ):
        list(opened.stream([Request(CHAT.rendered, 5)]))

    assert 1 == len(server.asked)
