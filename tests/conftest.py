"""Fixtures that several test files use."""

import pytest
from hypothesis import HealthCheck, settings

from apo.task import Task
from tests.helpers import FrozenClock
from tests.helpers import toy_task as make_toy_task

# Examples are not timed: the machine may be busy with anything, a model server included.
settings.register_profile("apo", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("apo")


@pytest.fixture
def toy_task() -> Task:
    """The small closed task, 20 rows a split."""
    return make_toy_task()


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that moves only when told."""
    return FrozenClock()
