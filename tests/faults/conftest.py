"""Fixtures of the tests of faults."""

from collections.abc import Iterator

import pytest

from tests.faults.ledger import Ledger
from tests.places import Stopped, stopped_run


@pytest.fixture(scope="session")
def ledger() -> Iterator[Ledger]:
    """Written at the end, if every fault is in it."""
    made = Ledger()
    yield made
    made.write()


@pytest.fixture(scope="session")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopped]:
    """An interrupted run."""
    with stopped_run(tmp_path_factory.mktemp("stopped")) as made:
        yield made
