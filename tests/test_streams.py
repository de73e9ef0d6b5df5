"""Standard streams that are closed or full, and what a server puts into a message."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.components.helpers import FakeServer, fake_server
from tests.places import Place, refused, well
from tests.test_cli import APO
from tests.test_cli_run import even

FULL = "/dev/full"


def shell(place: Place, line: list[str], streams: str) -> subprocess.CompletedProcess[str]:
    """A command with its streams sent elsewhere."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", APO, *line],
        cwd=place.path,
        env=place.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("streams", ["2>&-", f"2>{FULL}", "2>&- >&-", "<&- >&- 2>&-"])
def test_stderr_lost(tmp_path: Path, streams: str) -> None:
    """A run goes on to its end where nobody can be told of it, and no file of its own takes what is said."""
    place = Place.at(tmp_path)
    with fake_server(even) as server:
        done = shell(place, place.line(server), streams)

    assert 0 == done.returncode
    assert place.run.history().finished is not None


@pytest.mark.parametrize("line", [["tasks"], ["--help"], ["list", "proposers", "--json"]], ids=" ".join)
def test_stdout_full(tmp_path: Path, line: list[str]) -> None:
    """What cannot be printed is an error of one line."""
    done = shell(Place.at(tmp_path), line, f">{FULL}")

    assert (1, 1) == (done.returncode, done.stderr.count("\n")), done.stderr
    assert "apo: stdout cannot be written: No space left on device." in done.stderr


def test_stdout_full_after_a_run(tmp_path: Path) -> None:
    """The run is whole all the same."""
    place = Place.at(tmp_path)
    with fake_server(even) as server:
        done = shell(place, place.line(server), f">{FULL}")

    assert 1 == done.returncode
    assert "Traceback" not in done.stderr
    assert place.run.best.exists()


def test_message_of_a_server(tmp_path: Path) -> None:
    """Escape sequences and line ends that a server sends do not reach the terminal."""
    place = Place.at(tmp_path)
    body = '{"error": {"message": "no \\u001b[31mred\\nand \\u0007 more"}}'
    with fake_server(lambda _: (400, body)) as server:
        done = place.apo(*place.line(server, "--patience", "0"))

    assert done.returncode
    assert "Traceback" not in done.stderr
    assert not set("\x1b\x07") & set(done.stderr)
    assert done.stderr.splitlines()[-1].startswith("apo: ")


INTERRUPTED = """
import sys

class Interrupting:
    def find_spec(self, name, *_):
        if name == "apo.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from apo.__main__ import main
main()
"""


def test_interrupted_before_it_began() -> None:
    """Ctrl-C while modules are read ends a command without a word."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)

    assert (130, "", "") == (done.returncode, done.stdout, done.stderr)


def test_lines_that_are_missing(tmp_path: Path) -> None:
    """A journal that somebody changed is refused in one line, and hides no other run."""
    place = Place.at(tmp_path)
    with fake_server(even) as server:
        well(place.apo(*place.line(server, "--name", "whole")))
        well(place.apo(*place.line(server, "--name", "torn", "--seed", "1")))
        torn = next(run for run in place.runs if run.name == "torn")
        lines = torn.journal.read_bytes().splitlines(keepends=True)
        renamed = [line.replace(b'"candidate":"c1"', b'"candidate":"c999"') for line in lines]
        for changed, said in (
            ([lines[0], *lines[2:]], "line 2 is record 2: a line is missing or there twice"),
            ([*lines[:5], lines[4], *lines[5:]], "line 6 is record 4"),
            (lines[1:], "line 1 is record 1"),
            (renamed, "KeyError('c999')"),
        ):
            torn.journal.write_bytes(b"".join(changed))
            check_refused(place, server, said)


def check_refused(place: Place, server: FakeServer, said: str) -> None:
    """The torn run is refused by all who read it, and listed as unreadable."""
    asked = len(server.asked)
    for command in ("show", "export", "resume", "report"):
        refused(place.on_runs(command, "torn"), 2, said)
    listed = well(place.on_runs("list")).stdout
    assert "unreadable" in listed
    assert "whole" in listed
    assert asked == len(server.asked)
