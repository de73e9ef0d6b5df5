"""Run folders: created side by side, found by name, written by one process at a time."""

import os
import re
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from apo import events, words
from apo.errors import ConfigError
from apo.store.journal import Journal
from apo.store.runs import RunFolder, create, find, list_runs, named, unfinished
from apo.task import Task
from tests.helpers import started, toy_spec

HOLD = """
import sys, time
from pathlib import Path
from apo.store.runs import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    time.sleep(60)
"""


def run(results: Path, task: str = "toy", age: int = 0) -> RunFolder:
    """A run with an empty journal that was last written `age` seconds ago."""
    folder = create(results, task, toy_spec())
    folder.journal.touch()
    os.utime(folder.journal, (1_000_000 - age, 1_000_000 - age))
    return folder


def test_create_names(tmp_path: Path) -> None:
    """A run is named by its day, its task and a number that is free."""
    names = [create(tmp_path / "new" / "results", "toy", toy_spec()).name for _ in range(3)]

    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d-toy-\d\d", name) for name in names)
    assert ["01", "02", "03"] == [name[-2:] for name in names]


def test_create_owner_only(tmp_path: Path) -> None:
    """Nobody but its owner can look into a run."""
    assert stat.S_IMODE(create(tmp_path, "toy", toy_spec()).path.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("task", "stem"),
    [
        ("bbh/snarks", "bbh-snarks"),
        ("../../etc", "etc"),
        ("..", "run"),
        ("", "run"),
        ("a b\n\x00c", "a-b-c"),
        ("-x.", "x"),
        ("日本", "run"),
    ],
    ids=ascii,
)
def test_create_hostile_names(tmp_path: Path, task: str, stem: str) -> None:
    """Whatever the task is called, the run is a folder right below the results."""
    folder = create(tmp_path, task, toy_spec())

    assert tmp_path == folder.path.parent
    assert folder.name[11:] == f"{stem}-01"


def test_create_refused(tmp_path: Path) -> None:
    """Results that are a file are refused, with the way out."""
    (tmp_path / "results").touch()

    with pytest.raises(ConfigError, match=r"results' cannot be written: .*--results"):
        create(tmp_path / "results", "toy", toy_spec())


def test_list_newest_first(tmp_path: Path) -> None:
    """Runs are listed by their last event, whatever they are called."""
    old, new, older = (run(tmp_path, age=age) for age in (20, 0, 30))

    assert [new, old, older] == list_runs(tmp_path)


def test_list_only_runs(tmp_path: Path) -> None:
    """Folders with neither journal nor specification, and files, are no runs."""
    (tmp_path / "toy").mkdir()
    (tmp_path / "README.md").touch()

    assert list_runs(tmp_path) == []
    assert list_runs(tmp_path / "none") == []


def test_find(tmp_path: Path) -> None:
    """A run is found by name, by path, or as the last one."""
    old, new = run(tmp_path, age=9), run(tmp_path)

    assert old == find(tmp_path, old.name)
    assert old == find(tmp_path / "elsewhere", str(old.path))
    assert new == find(tmp_path, "last")


def test_find_unknown(tmp_path: Path) -> None:
    """An unknown run lists those there are."""
    name = run(tmp_path).name

    with pytest.raises(ConfigError, match=f"named 'none'.*Known: {name}"):
        find(tmp_path, "none")


def test_find_last_of_none(tmp_path: Path) -> None:
    """Without any run there is no last one."""
    with pytest.raises(ConfigError, match=r"named 'last'\. Known: none"):
        find(tmp_path, "last")


def test_lock(tmp_path: Path) -> None:
    """A run has one writer; it is live until that lets go."""
    folder = create(tmp_path, "toy", toy_spec())
    states = [folder.is_live()]
    with folder.locked():
        states.append(folder.is_live())
        with pytest.raises(ConfigError, match=f"{folder.name} is already being written"), folder.locked():
            pass
    states.append(folder.is_live())
    with folder.locked():
        pass

    assert [False, True, False] == states


def test_asking_does_not_lock(tmp_path: Path) -> None:
    """Looking whether a run is live creates nothing in its folder."""
    folder = create(tmp_path, "toy", toy_spec())

    assert not folder.is_live()
    assert ["spec.json"] == [path.name for path in folder.path.iterdir()]


def test_lock_ends_with_process(tmp_path: Path) -> None:
    """A writer that was killed is no writer any more."""
    folder = create(tmp_path, "toy", toy_spec())
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        held = folder.is_live()
        process.send_signal(signal.SIGKILL)

    assert (True, False) == (held, folder.is_live())


def test_history(tmp_path: Path, toy_task: Task) -> None:
    """A run's state is folded from its journal."""
    folder = create(tmp_path, "toy", toy_spec())
    journal = Journal(folder.journal)
    journal.append(started(toy_task, toy_spec()))
    journal.close()

    assert folder.history().task.name == "toy"


def test_named(tmp_path: Path) -> None:
    """A run that is named is made once, and is the same afterwards, with what it was begun with."""
    first = named(tmp_path / "results", "my-run.2", toy_spec(seed=1))
    again = named(tmp_path / "results", "my-run.2", toy_spec(seed=2))

    assert first == again == find(tmp_path / "results", "my-run.2")
    assert toy_spec(seed=1) == again.spec()
    assert 0o700 == stat.S_IMODE(first.path.stat().st_mode)
    assert 0o600 == stat.S_IMODE((first.path / "spec.json").stat().st_mode)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "/etc", "-x", ".hidden", "a b", "a\n", "a\x00", "日本", "x" * 101, "last"],
    ids=ascii,
)
def test_named_hostile(tmp_path: Path, name: str) -> None:
    """What is no plain name of a folder is refused, and nothing is made."""
    with pytest.raises(ConfigError, match=r"cannot be a run's name: (letters, digits|it stands)"):
        named(tmp_path / "results", name, toy_spec())
    assert list(tmp_path.iterdir()) == []


def test_named_like_other_files(tmp_path: Path) -> None:
    """A folder that holds something else does not become a run."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "faults.md").touch()
    (tmp_path / "file").touch()

    with pytest.raises(
        ConfigError, match=r"benchmarks holds other files and no run\. Give the run another name"
    ):
        named(tmp_path, "benchmarks", toy_spec())
    with pytest.raises(ConfigError, match="file cannot be written: File exists"):
        named(tmp_path, "file", toy_spec())
    assert ["faults.md"] == [path.name for path in (tmp_path / "benchmarks").iterdir()]


def test_named_half_written(tmp_path: Path) -> None:
    """A folder that a process left before it wrote its specification becomes the run."""
    (tmp_path / "mine" / ".spec.json-abc").mkdir(parents=True)

    assert toy_spec() == named(tmp_path, "mine", toy_spec()).spec()


def test_discard_unbegun(tmp_path: Path) -> None:
    """A run that did not begin leaves nothing; one that did begin, or that somebody writes, stays."""
    unbegun, begun, live = (create(tmp_path, "toy", toy_spec()) for _ in range(3))
    with unbegun.locked():
        unbegun.engine_log.symlink_to("nowhere")
    begun.journal.touch()
    with live.locked():
        for folder in (unbegun, begun, live):
            folder.discard_unbegun()

    assert [False, True, True] == [folder.path.exists() for folder in (unbegun, begun, live)]


def test_discard_keeps_what_is_not_ours(tmp_path: Path) -> None:
    """Files that apo did not make are never removed."""
    folder = create(tmp_path, "toy", toy_spec())
    (folder.path / "notes.md").write_text("mine")
    (folder.path / "data").mkdir()
    folder.discard_unbegun()

    assert ["data", "notes.md"] == sorted(path.name for path in folder.path.iterdir())


def finish(folder: RunFolder, task: Task) -> None:
    """Write the journal of a run that has ended."""
    journal = Journal(folder.journal)
    journal.append(started(task, toy_spec()))
    journal.append(events.RunFinished(reason="done", best="c0"))
    journal.close()


def test_unfinished(tmp_path: Path, toy_task: Task) -> None:
    """The same command goes on with the newest run that it began and that nobody writes or ended."""
    before = unfinished(tmp_path, toy_spec())
    ended, mine, other = (create(tmp_path, "toy", toy_spec(seed=seed)) for seed in (0, 0, 1))
    finish(ended, toy_task)
    found = [unfinished(tmp_path, toy_spec(seed=seed)) for seed in (0, 1, 2)]
    with mine.locked():
        found.append(unfinished(tmp_path, toy_spec()))

    assert before is None
    assert [mine, other, None, None] == found


TORN = [None, b"", b"{", b'{"task": 5}', b"\xff\x00", b'{"z":' + b"[" * 100_000]


@pytest.mark.parametrize("content", TORN, ids=["missing", "empty", "torn", "other", "bytes", "deep"])
def test_broken_spec(tmp_path: Path, toy_task: Task, content: bytes | None) -> None:
    """A run without a whole specification is listed and named by its file, and no new run goes on with it."""
    folder = create(tmp_path, "toy", toy_spec())
    finish(folder, toy_task)
    (folder.path / "spec.json").unlink()
    if content is not None:
        (folder.path / "spec.json").write_bytes(content)

    assert [folder] == list_runs(tmp_path)
    assert unfinished(tmp_path, toy_spec()) is None
    with pytest.raises(ConfigError, match=r"spec\.json (cannot be read|is no whole run specification)"):
        folder.spec()


def test_not_begun(tmp_path: Path) -> None:
    """A run that has a specification and no journal yet has an empty history."""
    history = create(tmp_path, "toy", toy_spec()).history()

    assert ("starting", 0) == (words.state(history), history.length)


def test_broken_journal_is_no_candidate(tmp_path: Path) -> None:
    """A run whose journal cannot be read is passed over when an unfinished one is looked for."""
    folder = create(tmp_path, "toy", toy_spec())
    folder.journal.write_bytes(b"garbage\n")

    assert unfinished(tmp_path, toy_spec()) is None


def test_engine_of_a_run(tmp_path: Path) -> None:
    """How vLLM is reached may change; it is the same run, found by the same options."""
    folder = run(tmp_path)
    spec = folder.spec()
    folder.move(replace(spec, model=replace(spec.model, engine="inprocess")))

    assert "inprocess" == folder.spec().model.engine
    assert folder == unfinished(tmp_path, toy_spec())
