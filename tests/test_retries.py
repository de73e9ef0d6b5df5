"""Which failures are tried again, how often, and after how long."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.backends.retries import LONGEST_ASKED, TRANSIENT, Retries
from apo.candidate import Failure, FailureKind

KINDS: tuple[FailureKind, ...] = get_args(FailureKind)
LASTING = sorted(set(KINDS) - TRANSIENT)
PLAIN = Retries(attempts=6, first=0.5, most=20.0)


def pause(kind: FailureKind, attempt: int = 1, asked: float | None = None) -> float | None:
    """How long to wait after a try with such a failure."""
    return PLAIN.pause(attempt, Failure(kind, ""), asked)


def test_kinds_that_another_try_can_heal() -> None:
    """Trouble of the moment is transient; what lies in the request, the key or the model is not."""
    assert {"timeout", "connection", "server", "rate_limit"} == TRANSIENT
    assert ["authentication", "context", "model", "refusal", "request"] == LASTING


@pytest.mark.parametrize("kind", LASTING)
@pytest.mark.parametrize("asked", [None, 1.0])
def test_lasting_failures_are_not_tried_again(kind: FailureKind, asked: float | None) -> None:
    """Not even where the server asks to come back."""
    assert pause(kind, 1, asked) is None


@pytest.mark.parametrize("kind", sorted(TRANSIENT))
def test_number_of_tries(kind: FailureKind) -> None:
    """Six tries in all; a timeout is tried twice."""
    tries = 1 + sum(pause(kind, attempt) is not None for attempt in range(1, 20))

    assert (2 if kind == "timeout" else 6) == tries


@given(attempt=st.integers(1, 5))
def test_backoff_doubles_with_jitter(attempt: int) -> None:
    """Each wait is between half and all of a span that doubles, up to a limit."""
    span = min(20.0, 0.5 * 2 ** (attempt - 1))
    waited = pause("server", attempt)

    assert waited is not None
    assert span / 2 <= waited <= span


def test_clients_do_not_come_back_together() -> None:
    """Two clients that failed together wait differently long."""
    assert len({pause("server") for _ in range(20)}) > 10


@given(asked=st.floats(0, allow_infinity=True), attempt=st.integers(1, 5))
def test_asked_wait_is_honoured_within_reason(asked: float, attempt: int) -> None:
    """The wait is never shorter than the server asks, and never much longer than the longest honoured."""
    waited = pause("rate_limit", attempt, asked)

    assert waited is not None
    assert min(asked, LONGEST_ASKED) <= waited <= 1.1 * LONGEST_ASKED


def test_one_attempt_is_no_retry() -> None:
    """Who asks for one try gets one."""
    assert Retries(attempts=1).pause(1, Failure("server", "")) is None
