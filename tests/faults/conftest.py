"""Fixtures of the tests of faults."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.faults.ledger import Ledger
from tests.faults.servers import PLANS, Server, UnderWay
from tests.little_server import serving
from tests.places import Place, Stopped, stopped_run


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


@pytest.fixture(scope="session", autouse=True)
def under_way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[UnderWay]]:
    """All plans of servers that fail, side by side and beside the other tests: they mostly wait."""
    begun = []
    with ExitStack() as stack, ThreadPoolExecutor(len(PLANS)) as pool:
        for name, plan in PLANS.items():
            server = Server(lambda *_: None)
            server.failing = plan.failing(server)
            http = stack.enter_context(serving(server))
            place = Place.at(tmp_path_factory.mktemp(name), plan.rows)
            job = pool.submit(place.apo, *place.line(http.url, "--json", *plan.more))
            begun.append(UnderWay(name, place, server, job))
        yield begun
