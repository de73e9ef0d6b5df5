"""Fixtures that several test files use."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from apo.task import Task
from tests.helpers import FrozenClock
from tests.helpers import toy_task as make_toy_task


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests out of the user's cache of answers and from his servers; weights are shared with him."""
    from apo.serving.weights import cache_folder

    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background commands ignore Ctrl-C, and so would all that the tests start and interrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    weights = cache_folder() / "models"
    weights.mkdir(parents=True, exist_ok=True)
    mine = Path(tempfile.mkdtemp(prefix="apo-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(mine, ignore_errors=True))
    (mine / "apo").mkdir()
    (mine / "apo" / "models").symlink_to(weights)
    os.environ["XDG_CACHE_HOME"] = str(mine)


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


@pytest.fixture
def model_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model without weights, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    return folder
