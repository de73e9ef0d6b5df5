"""What can befall a run's folder: one clear message or a run that goes on, and the journal stays whole."""

import ctypes
import json
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apo import words
from apo.store.runs import RunFolder
from tests.components.helpers import fake_server
from tests.faults.ledger import Ledger
from tests.places import Place, Stopped, ended, gated, refused, rows, rows_asked, until, well
from tests.test_cli_run import even

DAY = 86_400
FULL = 16_384
"""Bytes that a file may have on the full disk: less than the whole journal, more than the best prompt."""
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def said(line: str, run: RunFolder, code: int = 2) -> str:
    """A message without what differs from machine to machine."""
    return f"exit code {code}: {line.removeprefix('apo: ').replace(f'{run.path}/', '')}"


def resumed(stopped: Stopped, place: Place) -> int:
    """Go on to the end; how many rows the journal did not hold before and the server was asked for."""
    before, held = rows_asked(stopped.server), rows(place.run)
    well(place.on_runs("resume"))
    asked = rows_asked(stopped.server) - before

    assert ("finished", asked) == (words.state(place.run.history()), rows(place.run) - held)
    return asked


def unchanged(stopped: Stopped, place: Place, *parts: str) -> str:
    """Check that going on is refused in one line, with nobody asked and nothing changed; gives the line."""
    journal, asked = content(place.run), len(stopped.server.asked)
    line = refused(place.on_runs("resume", "mine"), 2, *parts)

    assert (journal, asked) == (content(place.run), len(stopped.server.asked))
    return said(line, place.run)


def content(run: RunFolder) -> bytes:
    """The journal as it lies there; nothing without one."""
    return run.journal.read_bytes() if run.journal.exists() else b""


def test_torn_tail(stopped: Stopped, tmp_path: Path, ledger: Ledger) -> None:
    """Half a last line is dropped, and the run goes on from the whole ones."""
    place = stopped.copy(tmp_path)
    whole = content(place.run)
    place.run.journal.write_bytes(whole + whole.splitlines()[-1][:40])
    resumed(stopped, place)

    assert content(place.run).startswith(whole)
    ledger.record(
        "the last line of the journal is torn",
        "exit code 0; the line is dropped and the run goes on to its end",
        "what the line held; it is asked again",
    )


def test_broken_middle(stopped: Stopped, tmp_path: Path, ledger: Ledger) -> None:
    """A broken line among whole ones is named by its number, and nothing is changed."""
    place = stopped.copy(tmp_path)
    lines = content(place.run).splitlines(keepends=True)
    lines[2] = b'{"n":2,"t":\n'
    place.run.journal.write_bytes(b"".join(lines))
    line = unchanged(stopped, place, "events.jsonl, line 3 is not a record", "Nothing was changed.")

    ledger.record("a line in the middle of the journal is broken", line)


def test_newer(stopped: Stopped, tmp_path: Path, ledger: Ledger) -> None:
    """A journal of a newer version is refused by its version, whatever else is in it."""
    place = stopped.copy(tmp_path)
    lines = content(place.run).splitlines(keepends=True)
    first = json.loads(lines[0])
    first["event"] |= {"schema": 99, "task": "told in another way"}
    place.run.journal.write_bytes(json.dumps(first).encode() + b"\n" + b"".join(lines[1:]))
    line = unchanged(stopped, place, "was written by a newer version of apo (journal version 99")

    ledger.record("a journal of a newer version", line)


def test_no_journal(stopped: Stopped, tmp_path: Path, ledger: Ledger) -> None:
    """A folder that holds its specification alone is a run that has not begun: it begins."""
    place = stopped.copy(tmp_path)
    place.run.journal.unlink()

    assert resumed(stopped, place) == rows(place.run)
    ledger.record("a folder without a journal", "exit code 0; the run begins, as its specification says")


def test_half_a_specification(stopped: Stopped, tmp_path: Path, ledger: Ledger) -> None:
    """A folder without a whole specification holds no run that could go on; it is named."""
    places = [stopped.copy(tmp_path / str(cut)) for cut in (0, 1, 300)]
    for place in places:
        spec = place.run.path / "spec.json"
        spec.write_bytes(spec.read_bytes()[: int(place.results.parent.name)])
    gone = stopped.copy(tmp_path / "gone")
    (gone.run.path / "spec.json").unlink()
    before, asked = [content(place.run) for place in (*places, gone)], len(stopped.server.asked)
    lines = [["resume", "mine", "--results", str(place.results)] for place in (*places, gone)]
    *torn, missing = gone.several(lines)

    told = [
        refused(done, 2, "spec.json is no whole run specification of this version of apo: ") for done in torn
    ]
    refused(missing, 2, "spec.json cannot be read: No such file or directory. The folder holds no run.")
    assert (before, asked) == ([content(place.run) for place in (*places, gone)], len(stopped.server.asked))
    ledger.record("a folder with half a specification", said(told[-1], places[-1].run))


def test_second_process(stopped: Stopped, tmp_path: Path, ledger: Ledger) -> None:
    """While one process writes a run a second one is refused at once, to resume it or to run it again."""
    place = stopped.copy(tmp_path)
    with place.run.locked():
        line = unchanged(stopped, place, "The run mine is already being written by another process.")
        again = place.apo(*place.line(stopped.server, "--name", "mine"))

    refused(again, 2, "The run mine is already being written by another process.")
    ledger.record("a second process", line)


def _full_disk() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, FULL))


def test_full_disk(tmp_path: Path, ledger: Ledger) -> None:
    """On a full disk the run ends with one message; its journal is whole, and goes on when there is room."""
    place = Place.at(tmp_path)
    with fake_server(even) as server:
        done = place.apo(*place.line(server, "--json"), prepare=_full_disk)
        line = refused(done, 1, "events.jsonl cannot be written: File too large. Make room, then go on with")
        journal = content(place.run)
        asked, held = rows_asked(server), rows(place.run)
        well(place.on_runs("resume"))

    assert FULL / 2 < len(journal) <= FULL
    assert journal.endswith(b"\n")
    assert content(place.run).startswith(journal)
    assert rows(place.run) - held == rows_asked(server) - asked
    ledger.record("the disk is full", said(line, place.run, 1), "the batch that could not be written")


def test_best_unwritable(stopped: Stopped, tmp_path: Path, ledger: Ledger) -> None:
    """A run whose best prompt cannot be written ends with one message, and goes on when it can."""
    place = stopped.copy(tmp_path)
    best, journal = place.run.best, content(place.run)
    best.unlink()
    best.mkdir()
    (best / "file").touch()
    line = refused(
        place.on_runs("resume", "--json"), 1, "best.json cannot be written: Is a directory. Set that"
    )
    shutil.rmtree(best)
    resumed(stopped, place)

    assert content(place.run).startswith(journal)
    assert "finished" == json.loads(best.read_text(encoding="utf-8"))["status"]
    ledger.record("the best prompt cannot be written", said(line, place.run, 1))


@contextmanager
def read_only(folder: Path) -> Iterator[Callable[[], None]]:
    """The folder and all in it without the right to write; to be called in a child, which heeds that."""
    paths = [folder, *folder.rglob("*")]
    modes = [path.stat().st_mode for path in paths]
    for path in paths:
        path.chmod(0o500 if path.is_dir() else 0o400)
    libc = ctypes.CDLL(None)

    def heed() -> None:
        # The superuser may write everywhere unless he gives that up.
        libc.prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)

    try:
        yield heed
    finally:
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode)


def test_read_only(stopped: Stopped, tmp_path: Path, ledger: Ledger) -> None:
    """Results that cannot be written are refused before anybody is asked, for an old run and a new one."""
    place = stopped.copy(tmp_path)
    before, asked = content(place.run), len(stopped.server.asked)
    with read_only(place.results) as heed:
        line = refused(
            place.on_runs("resume", prepare=heed), 2, "The run mine cannot be written: Permission denied."
        )
        new = place.apo(*place.line(stopped.server, "--fresh"), prepare=heed)
        sent = place.on_runs("send", "mine", "ban", "c1", prepare=heed)

    refused(
        new, 2, "The results folder ", " cannot be written: Permission denied. Choose another with --results."
    )
    refused(sent, 2, "inbox.jsonl cannot be written: Permission denied.")
    assert (before, asked) == (content(place.run), len(stopped.server.asked))
    ledger.record("results that cannot be written", said(line, place.run))


CHANGES = {
    "dev": (
        '"odd" if n % 2',
        '"odd" if n % 2 or n == 14',
        "dev row 'n14': target is 'even' there and 'odd' here",
    ),
    "test": ('"odd" if n % 2', '"odd" if n % 2 or n == 30', "train rows, test rows, or how they are scored"),
    "rows": ("3 * 12", "3 * 12 + 1", "rows of train, dev and test: (12, 12, 12) there and (12, 12, 13) here"),
    "seed": (
        'Prompt("Even or odd?")',
        'Prompt("Odd?")',
        "seed.instruction is 'Even or odd?' there and 'Odd?' here",
    ),
}
"""What is changed in the task's file, and the difference that is named."""


@pytest.mark.parametrize("change", CHANGES)
def test_changed_data(stopped: Stopped, tmp_path: Path, ledger: Ledger, change: str) -> None:
    """A run whose task has changed does not go on, and what changed is named."""
    place = stopped.copy(tmp_path)
    old, new, named = CHANGES[change]
    file = place.path / "parity.py"
    text = file.read_text(encoding="utf-8")
    assert old in text
    try:
        file.write_text(text.replace(old, new), encoding="utf-8")
        line = unchanged(stopped, place, f"its task has changed ({named})", "Restore the data")
    finally:
        file.write_text(text, encoding="utf-8")

    if change == "dev":
        ledger.record("the task's data have changed", line)


def test_another_root(stopped: Stopped, tmp_path: Path, ledger: Ledger) -> None:
    """A server that serves other weights under the same name is refused by what differs."""
    place = stopped.copy(tmp_path)
    try:
        stopped.server.root = "other-weights"
        line = unchanged(
            stopped, place, "another model answers now. Its root is '' there and 'other-weights' here"
        )
    finally:
        stopped.server.root = ""

    ledger.record("another model is served when the run goes on", line)


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["back", "on"])
def test_clock(stopped: Stopped, tmp_path: Path, ledger: Ledger, jump: int) -> None:
    """A clock that was set between two processes neither ends the run nor counts as its time."""
    place = stopped.copy(tmp_path)
    records = [json.loads(line) for line in content(place.run).splitlines()]
    lines = [json.dumps(record | {"t": record["t"] + jump}) + "\n" for record in records]
    place.run.journal.write_text("".join(lines), encoding="utf-8")
    well(place.on_runs("send", "mine", "budget", "--minutes", "600"))
    resumed(stopped, place)

    assert 0 < place.run.history().seconds < DAY / 2
    if jump > 0:
        ledger.record(
            "the clock jumps by a day", "exit code 0; the jump is no part of the run's time or budget"
        )


@pytest.mark.parametrize("answered", [5, 30, 60])
def test_killed(tmp_path: Path, ledger: Ledger, answered: int) -> None:
    """Killed with -9 in the middle, the run goes on, and no row that the journal holds is asked again."""
    place = Place.at(tmp_path)
    with gated(answered) as (gate, server):
        process = place.start(*place.line(server))
        until(lambda: gate.reached, process)
        process.kill()
        ended(process)
        asked, held = rows_asked(server), rows(place.run)
        gate.opened.set()
        well(place.on_runs("resume"))

    assert "finished" == words.state(place.run.history())
    assert rows(place.run) - held == rows_asked(server) - asked
    if answered == 60:
        assert held > 0
        ledger.record(
            "kill -9",
            "the run goes on from its journal to its end",
            "answers not yet written: those of the last second and those under way; they are asked again",
        )
