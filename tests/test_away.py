"""A run away from home, without Ray: its folder comes home as it is written, whatever is lost or repeated."""

import json
import platform
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import sleep
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.cluster.away import go_on
from apo.cluster.home import Back, Home, Sent
from apo.commands import Stop
from apo.errors import RunError
from apo.options import RunOptions
from apo.store.inbox import send
from apo.store.runs import RunFolder, named
from tests.components.helpers import FakeServer, fake_server
from tests.helpers import toy_spec
from tests.places import Place, gated, rows, rows_asked
from tests.test_cli_run import even

LINES = [json.dumps({"n": n, "text": "é" * (n % 7)}).encode() + b"\n" for n in range(12)]


@dataclass(frozen=True)
class Direct:
    """The handle of an actor in this process: each call is made at once."""

    actor: Home

    def __getattr__(self, name: str) -> Any:
        """A method as handles have them."""

        def remote(*arguments: Any) -> Any:
            done: Future[Any] = Future()
            try:
                done.set_result(getattr(self.actor, name)(*arguments))
            except Exception as error:
                done.set_exception(error)
            return SimpleNamespace(future=lambda: done)

        return SimpleNamespace(remote=remote)


def one(folder: Path) -> tuple[RunFolder, Home]:
    """A run that has not begun, and its home."""
    run = named(folder, "mine", toy_spec())
    return run, Home({"mine": run.path})


@given(st.lists(st.tuples(st.integers(0, len(LINES)), st.integers(0, len(LINES)))))
def test_repeated(tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[int, int]]) -> None:
    """Pieces that come again, or overlap, leave each line once; a gap is refused and writes nothing."""
    run, home = one(tmp_path_factory.mktemp("runs"))
    begun = home.begin("mine", "far")
    assert begun is not None
    have = 0
    for start, end in pieces:
        back = Back(b"".join(LINES[start:end]), len(b"".join(LINES[:start])))
        if start > have and back.lines:
            with pytest.raises(RunError, match="what came back begins at"):
                home.take("mine", begun.attempt, back, 0)
            continue
        home.take("mine", begun.attempt, back, 0)
        have = max(have, end if back.lines else 0)

    assert b"".join(LINES[:have]) == (run.journal.read_bytes() if run.journal.exists() else b"")
    home.end("mine", begun.attempt)


def test_given_up(tmp_path: Path) -> None:
    """Who was given up but still lives is refused; the new attempt begins with what is whole at home."""
    run, home = one(tmp_path)
    first = home.begin("mine", "far")
    assert first is not None
    home.take("mine", first.attempt, Back(LINES[0], 0), 0)
    with run.journal.open("ab") as journal:
        journal.write(LINES[1][:5])
    second = home.begin("mine", "farther")
    assert second is not None

    assert LINES[0] == second.files["events.jsonl"] == run.journal.read_bytes()
    with pytest.raises(RunError, match="given to another machine"):
        home.take("mine", first.attempt, Back(LINES[1], len(LINES[0])), 0)
    home.end("mine", first.attempt)
    assert run.is_live()
    assert LINES[0] == run.journal.read_bytes()
    assert ["mine: begins, on far", "mine: goes on, on farther"] == home.news()
    home.end("mine", second.attempt)
    assert not run.is_live()


def test_home_lost(tmp_path: Path) -> None:
    """An actor that Ray started again takes the first to write for the newest attempt, and locks the run."""
    run, home = one(tmp_path)
    first = home.begin("mine", "far")
    assert first is not None
    home.take("mine", first.attempt, Back(LINES[0], 0), 0)
    home.end("mine", first.attempt)
    again = Home({"mine": run.path})
    again.take("mine", first.attempt, Back(LINES[0] + LINES[1], 0), 0)

    assert run.is_live()
    assert LINES[0] + LINES[1] == run.journal.read_bytes()
    with pytest.raises(RunError, match="given to another machine"):
        again.take("mine", "other", Back(LINES[2], len(LINES[0] + LINES[1])), 0)
    again.end("mine", first.attempt)


def test_written_elsewhere(tmp_path: Path) -> None:
    """A run that another process writes is not given out before that has ended."""
    run, home = one(tmp_path)
    with run.locked():
        assert home.begin("mine", "far") is None
    begun = home.begin("mine", "far")

    assert begun is not None
    home.end("mine", begun.attempt)


class Telling(Home):
    """A home that says when it has handed commands out."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        super().__init__(folders)
        self.handed = Event()

    def take(self, name: str, attempt: str, back: Back, commands: int) -> Sent:
        """As any home does."""
        sent = super().take(name, attempt, back, commands)
        if sent.commands:
            self.handed.set()
        return sent


@contextmanager
def begun(place: Place, server: FakeServer) -> Iterator[tuple[RunFolder, Telling, "Future[str]"]]:
    """A run of the parity task that goes on away from home, and its home."""
    options = RunOptions(task="parity.py", url=(server.url,), model="fake", calls=60, cache=False, patience=0)
    run = named(place.results, "mine", options.spec(place.path))
    home = Telling({"mine": run.path})
    with ThreadPoolExecutor(1) as pool:
        yield run, home, pool.submit(go_on, Direct(home), "mine")


def test_comes_home(tmp_path: Path) -> None:
    """The folder at home is that of a run that was done there: journal, best prompt and log, and no lock."""
    place = Place.at(tmp_path)
    with fake_server(even) as server, begun(place, server) as (run, _, away):
        assert "" == away.result(120)

    assert run.history().finished is not None
    assert rows_asked(server) == rows(run)
    assert json.loads(run.best.read_text("utf-8"))["candidate"].startswith("c")
    assert "step 0" in run.output.read_text("utf-8")
    assert not run.is_live()


def test_commands(tmp_path: Path) -> None:
    """What people send to the folder at home reaches the run."""
    place = Place.at(tmp_path)
    with gated(20) as (gate, server), begun(place, server) as (run, home, away):
        while not gate.reached:
            assert not away.done()
        send(run.inbox, Stop())
        assert home.handed.wait(60)
        gate.opened.set()
        assert "" == away.result(120)

    finished = run.history().finished
    assert finished is not None
    assert "stop" in finished.reason


def test_stopped(tmp_path: Path) -> None:
    """When all are to stop, what a run says comes at once, and its rows in flight when they are done."""
    place = Place.at(tmp_path)
    with gated(20) as (gate, server), begun(place, server) as (run, home, away):
        while not gate.reached:
            assert not away.done()
        assert ["mine"] == home.stop()
        while "finishing the rows" not in run.output.read_text("utf-8"):
            assert not away.done()
            sleep(0.02)
        gate.opened.set()
        problem = away.result(120)

    assert "interrupted" in problem
    assert rows_asked(server) == rows(run) > 0
    assert run.history().finished is None
    assert not run.is_live()
    assert home.begin("mine", "far") is None


def test_stopped_before(tmp_path: Path) -> None:
    """A run that has not begun when all are to stop does not begin."""
    run, home = one(tmp_path)

    assert [] == home.stop()
    assert "" == go_on(Direct(home), "mine")
    assert not run.journal.exists()


def test_missing_there(tmp_path: Path) -> None:
    """A task file that the other machine lacks fails the run by name, with the machine's."""
    place = Place.at(tmp_path)
    (tmp_path / "parity.py").unlink()
    with fake_server(even) as server, begun(place, server) as (run, _, away):
        problem = away.result(120)

    assert f"There is no task file '{tmp_path}/parity.py'" in problem
    assert problem.endswith(f" (on {platform.node()})")
    assert not run.journal.exists()
    assert not run.is_live()
