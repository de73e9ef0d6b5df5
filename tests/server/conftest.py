"""One real server for the tests of this folder; they skip where vLLM is not installed."""

from collections.abc import Iterator

import pytest

from apo.connection import Link, connect
from apo.errors import ConfigError
from apo.identity import identify
from apo.progress import Lines
from apo.serving.command import Options, engine
from apo.serving.server import Server, serve
from apo.serving.weights import DEFAULT
from apo.spec import Identity, ModelSpec

EAGER = Options(eager=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and skip them where nothing can be served."""
    try:
        engine()
        missing = ""
    except ConfigError as error:
        missing = str(error)
    for item in items:
        if "tests/server/" in item.path.as_posix():
            item.add_marker(pytest.mark.server)
            if missing:
                item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The default model, served for as long as the tests of this folder run."""
    with serve(DEFAULT, EAGER, Lines().waiting) as running:
        yield running


@pytest.fixture(scope="session")
def identity(server: Server) -> Identity:
    """What the server says it is."""
    return identify(server.base_url, server.api_key, server.model, "none")


@pytest.fixture(scope="session")
def own() -> Iterator[Link]:
    """The same model on an engine of these tests' own, without a server."""
    with connect(ModelSpec(DEFAULT, eager=True, engine="inprocess"), Lines().waiting) as link:
        yield link
