"""Fixtures that several test files use."""

import pytest

from apo.task import Task
from tests.helpers import FrozenClock
from tests.helpers import toy_task as make_toy_task


@pytest.fixture
def toy_task() -> Task:
    """The small closed task, 20 rows a split."""
    return make_toy_task()


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that moves only when told."""
    return FrozenClock()
