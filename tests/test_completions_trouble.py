"""The store of completions in trouble: many writers, killed ones, damaged files, full disks."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from apo.backends import Request
from apo.backends.completions import Completions
from apo.backends.database import UnreadableError
from apo.backends.holdings import holdings, remove
from apo.errors import ConfigError
from tests.test_completions import CHAT, RED, text_of

WRITER = """
import sys
from pathlib import Path
from apo.backends import Completion, Request
from apo.backends.completions import Completions
from apo.candidate import Usage

with Completions(Path(sys.argv[1])) as store:
    for n in range(int(sys.argv[3])):
        text = f"{sys.argv[2]} {n}"
        store.put("server", Request(text, 5), Completion(text, Usage(1, 1, 0.1)))
        if n == 9:
            print("ready", flush=True)
    print(store.problem)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of a test is."""
    return tmp_path / "kept" / "completions.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Completions]:
    """An empty store."""
    with Completions(path) as opened:
        yield opened


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    """Another process that keeps `count` answers."""
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_several_processes(path: Path) -> None:
    """Four processes that make and fill the file at once lose nothing."""
    writers = [writer(path, f"writer {n}", 200) for n in range(4)]
    said = [process.communicate(timeout=60) for process in writers]

    with Completions(path) as store:
        assert [("ready\n\n", "")] * 4 == said
        assert [800] == [one.entries for one in holdings(store)]
        for n in range(4):
            assert f"writer {n} 199" == text_of(store, Request(f"writer {n} 199", 5), "server")


def test_killed_writer(path: Path) -> None:
    """A process that is killed while it writes leaves a whole file with all that it had kept."""
    process = writer(path, "writer", 1_000_000)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    with Completions(path) as store, store.database() as database:
        assert [("ok",)] == database.execute("PRAGMA integrity_check").fetchall()
        assert "writer 9" == text_of(store, Request("writer 9", 5), "server")
        store.put("a", CHAT, RED)
        assert ("red", "") == (text_of(store, CHAT), store.problem)


def test_several_threads(store: Completions) -> None:
    """Threads may share one store."""
    barrier = threading.Barrier(4)

    def work(name: int) -> list[str | None]:
        barrier.wait()
        for n in range(50):
            store.put("a", Request(f"{name} {n}", 5), replace(RED, text=f"{name} {n}"))
        return [text_of(store, Request(f"{name} {n}", 5)) for n in range(50)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(4)))

    assert [[f"{name} {n}" for n in range(50)] for name in range(4)] == found


def spoiled(path: Path, kind: str) -> None:
    """A file that is no store of this version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "text":
        path.write_text("This is no database.\n" * 100)
        return
    with Completions(path) as store:
        for n in range(200):
            store.put("a", Request(f"{n}", 5), RED)
        database = sqlite3.connect(path)
        database.execute("PRAGMA user_version = 99" if kind == "version" else "PRAGMA user_version = 0")
        database.close()
    if kind == "header":
        path.write_bytes(b"\0" * 512 + path.read_bytes()[512:])


@pytest.mark.parametrize("kind", ["text", "version", "foreign", "header"])
def test_unreadable(path: Path, kind: str) -> None:
    """Another version, another program's file and a damaged one are refused with the way out."""
    spoiled(path, kind)
    with pytest.raises(UnreadableError) as caught:
        Completions(path)

    assert str(path) in str(caught.value)
    assert "apo cache clear" in str(caught.value)
    assert remove(path) > 0
    with Completions(path) as store:
        store.put("a", CHAT, RED)
        assert "red" == text_of(store, CHAT)


def test_damaged_while_used(path: Path) -> None:
    """A file that breaks under a run switches the store off, which then has nothing and raises nothing."""
    with Completions(path) as store:
        for n in range(2000):
            store.put("a", Request(f"{n}", 5), replace(RED, text=f"{n}" * 50))
    whole = path.read_bytes()
    with Completions(path) as store:
        path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
        found = [store.get("a", Request(f"{n}", 5)) for n in range(2000)]
        store.put("a", CHAT, RED)

        assert [None] * 2000 == found
        assert str(path) in store.problem
        assert "\n" not in store.problem
        with pytest.raises(ConfigError):
            holdings(store)


def test_full_disk(store: Completions) -> None:
    """When the disk is full the store switches itself off and the run goes on."""
    with store.database() as database:
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    for n in range(100):
        store.put("a", Request(f"{n}", 5), replace(RED, text="x" * 5000))

    assert "full" in store.problem
    assert store.get("a", Request("0", 5)) is None
    assert 0 == store.newest()


def test_locked_for_long(store: Completions, path: Path) -> None:
    """A file that another process never lets go of switches the store off."""
    with store.database() as database:
        database.execute("PRAGMA busy_timeout = 50").fetchall()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.put("a", CHAT, RED)
    other.close()

    assert "locked" in store.problem


def test_folder_that_is_none(tmp_path: Path) -> None:
    """A file where the folder should be is told, with the way out."""
    (tmp_path / "kept").write_text("")
    with pytest.raises(ConfigError, match="XDG_CACHE_HOME") as caught:
        Completions(tmp_path / "kept" / "completions.sqlite")

    assert not isinstance(caught.value, UnreadableError)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    """A folder that cannot be written is told, with the way out."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ConfigError, match="Permission denied"):
            Completions(tmp_path / "completions.sqlite")
    finally:
        tmp_path.chmod(0o700)


def test_folder_removed(path: Path) -> None:
    """A store whose folder is removed under it can be closed."""
    with Completions(path) as store:
        store.put("a", CHAT, RED)
        shutil.rmtree(path.parent)
        store.put("a", CHAT, RED)


def test_closed(path: Path) -> None:
    """A closed store answers nothing and raises nothing."""
    store = Completions(path)
    store.close()
    store.close()

    assert store.get("a", CHAT) is None
