"""`apo send`: every command on a run that goes on, on one that was stopped, and each mistake in one line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apo import events, words
from apo.history import History
from apo.store.journal import read_records
from apo.store.runs import RunFolder
from tests.components.helpers import fake_server
from tests.places import Done, Place, Stopped, ended, gated, refused, stopped_run, until, well
from tests.test_cli_run import even

LIVE_ROWS = 40
"""Dev rows of the live run: more than are in flight at once, so that a pause falls among them."""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopped]:
    """An interrupted run."""
    with stopped_run(tmp_path_factory.mktemp("stopped")) as made:
        yield made


def facts(run: RunFolder, kind: type[events.Fact]) -> list[Any]:
    """The events of one kind in a run's journal."""
    return [r.event for r in read_records(run.journal) if isinstance(r.event, kind)]


def sends(place: Place, name: str, *orders: list[str]) -> list[list[str]]:
    """The lines that send orders to a run."""
    return [["send", name, *order, "--results", str(place.results)] for order in orders]


def test_live(tmp_path: Path) -> None:
    """A live run pauses at once, takes in at its next step what was sent meanwhile, goes on, and stops."""
    place = Place.at(tmp_path, LIVE_ROWS)
    (tmp_path / "mine.txt").write_text("Say even or odd, mine.", encoding="utf-8")
    meanwhile = (["add", "mine.txt"], ["ban", "c1"], ["promote", "c0"], ["budget", "--calls", "9000"])
    with gated(2 * LIVE_ROWS + 20) as (gate, server):
        process = place.start(*place.line(server, "--calls", "5000"))
        until(lambda: gate.reached, process)
        name = place.run.name
        well(place.on_runs("send", name, "pause"))
        gate.opened.set()
        until(lambda: bool(facts(place.run, events.RunPaused)), process)
        asked = len(server.asked)
        done = place.several(sends(place, name, *meanwhile))
        until(lambda: len(facts(place.run, events.CommandReceived)) >= 4, process)
        paused = place.run.history()
        while_paused = len(server.asked) - asked
        well(place.on_runs("send", "last", "resume"))
        until(lambda: bool(_mine(place.run.history())), process)
        well(place.on_runs("send", name, "stop"))
        whole = well(ended(process))

    assert ["Sent: add a candidate.", "Sent: ban c1."] == [d.stderr.strip() for d in done[:2]]
    refused(done[2], 2, "would refuse to promote c0: it has met every dev row already")
    assert "Sent: set the budget.\n" == done[3].stderr
    assert (0, "paused") == (while_paused, words.state(paused))
    _check_obeyed(place.run.history())
    assert [] == facts(place.run, events.CommandRefused)
    assert "received: pause\npaused\n" in whole.stderr
    assert "finished (stopped by hand)" in whole.stderr


def _mine(history: History) -> list[str]:
    """The instructions that a person has added."""
    return [c.prompt.instruction for c in history.candidates.values() if c.origin == "human"]


def _check_obeyed(history: History) -> None:
    """What was sent to the live run has taken effect."""
    assert ["Say even or odd, mine."] == _mine(history)
    assert "banned by hand" == history.pruned["c1"]
    assert 9000 == history.budget.calls
    assert history.finished is not None
    assert "stopped by hand" == history.finished.reason


def test_stop_now(tmp_path: Path) -> None:
    """`stop --now` ends the process alone, with code 130 and a run that can be resumed."""
    place = Place.at(tmp_path)
    with gated(30) as (gate, server):
        process = place.start(*place.line(server))
        until(lambda: gate.reached, process)
        well(place.on_runs("send", "last", "stop", "--now"))
        gate.opened.set()
        done = ended(process)

    assert (130, "") == (done.returncode, done.stdout)
    assert done.stderr.splitlines()[-1].startswith("apo: interrupted; ")
    assert place.run.history().finished is None


def test_sent_to_stopped(stopped: Stopped, tmp_path: Path) -> None:
    """What is sent while nobody runs it takes effect when the run goes on, an export among it."""
    place = stopped.copy(tmp_path)
    export = tmp_path / "best.json"
    content = json.loads(place.run.best.read_text(encoding="utf-8"))
    content["prompt"]["instruction"] = "From an export."
    export.write_text(json.dumps(content), encoding="utf-8")
    lines = (["add", str(export)], ["ban", "c2"], ["budget", "--calls", "136", "--minutes", "99"])
    done = place.several(sends(place, "mine", *lines))
    well(place.on_runs("resume"))
    history = place.run.history()

    later = "; it takes effect when the run goes on (apo resume mine).\n"
    assert ["Sent: " + x + later for x in ("add a candidate", "ban c2", "set the budget")] == [
        d.stderr for d in done
    ]
    assert "From an export." in [c.prompt.instruction for c in history.candidates.values()]
    assert "banned by hand" == history.pruned["c2"]
    assert (136, 99 * 60) == (history.budget.calls, history.budget.seconds)
    assert history.total.calls <= 136


def test_finished(tmp_path: Path) -> None:
    """A finished run takes nothing, and no inbox is made."""
    place = Place.at(tmp_path)
    with fake_server(even) as server:
        well(place.apo(*place.line(server, "--calls", "36")))
        for done in place.several(sends(place, "last", ["pause"], ["ban", "c1"])):
            refused(done, 2, f"The run {place.run.name} has finished; nothing can be sent to it.")

    assert not place.run.inbox.exists()


HOSTILE: dict[str, bytes] = {
    "latin.txt": "caf\u00e9".encode("latin-1"),
    "huge.txt": b"x" * 1_000_001,
    "blank.txt": b" \n\t",
    "broken.json": b'{"instruction": ',
    "other.json": b'{"hello": 1}',
    "number.json": b'{"instruction": 7}',
    "deep.json": b'{"a":' * 100_000,
    "exemplar.json": b'{"exemplars": [{"input": "x"}]}',
    "layout.json": b'{"instruction": "x", "layout": {"form": "spiral"}}',
    "inner.json": b'{"prompt": ["x"]}',
    "surrogate.json": b'{"instruction": "\\ud800"}',
}
REFUSED = {
    "pause": (["pause"], "Nobody runs mine now. Go on with it by: apo resume mine"),
    "resume": (["resume"], "Nobody runs mine now."),
    "stop": (["stop"], "Nobody runs mine now."),
    "ban_nothing": (["ban"], "`ban` needs a candidate's id (apo show lists them)."),
    "promote_nothing": (["promote"], "`promote` needs a candidate's id"),
    "add_nothing": (["add"], "`add` needs the file of a prompt."),
    "budget_nothing": (["budget"], "`budget` needs --calls or --minutes"),
    "ban_unknown": (["ban", "c999"], "would refuse to ban c999: there is no candidate 'c999'"),
    "promote_unknown": (["promote", "../x"], "there is no candidate '../x'"),
    "ban_seed": (["ban", "c0"], "the seed prompt is what the others are compared with"),
    "promote_full": (["promote", "c0"], "it has met every dev row already"),
    "budget_spent": (["budget", "--calls", "5"], "more than that is spent already"),
    "budget_sealed": (["budget", "--calls", "60"], "the sealed test takes 24 more calls"),
    "missing": (["add", "nope.txt"], "nope.txt cannot be read: No such file or directory."),
    "folder": (["add", "."], ". cannot be read: it is no file."),
    "latin": (["add", "latin.txt"], "latin.txt is not UTF-8 text"),
    "huge": (["add", "huge.txt"], "huge.txt has more than 1000000 bytes; that is no prompt."),
    "blank": (["add", "blank.txt"], "would refuse to add a candidate: the prompt is empty"),
    "broken": (["add", "broken.json"], "broken.json begins with '{' but is no JSON"),
    "deep": (["add", "deep.json"], "deep.json begins with '{' but is no JSON"),
    "other": (["add", "other.json"], "other.json holds no prompt: give `instruction`, `exemplars`, or both."),
    "number": (["add", "number.json"], "number.json holds no prompt: Expected `str`, got `int`"),
    "exemplar": (["add", "exemplar.json"], "exemplar.json holds no prompt: "),
    "layout": (["add", "layout.json"], "layout.json holds no prompt: "),
    "inner": (["add", "inner.json"], "inner.json holds no prompt: "),
    "surrogate": (["add", "surrogate.json"], "surrogate.json holds no prompt"),
    "pipe": (["add", "pipe"], "pipe cannot be read: it is no file."),
}
"""What is sent to an interrupted run, and a part of the message that it gets."""


@pytest.fixture(scope="module")
def refusals(stopped: Stopped, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """What came of every mistake."""
    place = stopped.copy(tmp_path_factory.mktemp("refusals"))
    for name, content in HOSTILE.items():
        (place.path / name).write_bytes(content)
    (place.path / "pipe").symlink_to("/dev/zero")
    done = place.several(sends(place, "mine", *(more for more, _ in REFUSED.values())))
    assert not place.run.inbox.exists()
    return dict(zip(REFUSED, done, strict=True))


@pytest.mark.parametrize("mistake", REFUSED)
def test_refused(refusals: dict[str, Done], mistake: str) -> None:
    """A mistake is told in one line, with exit code 2, and nothing is sent."""
    refused(refusals[mistake], 2, REFUSED[mistake][1])


def test_unknown_command(stopped: Stopped) -> None:
    """A command that there is not is told with those that there are."""
    done = stopped.place.on_runs("send", "mine", "explode")

    assert (2, "") == (done.returncode, done.stdout)
    assert "'pause', 'resume', 'stop', 'add', 'promote', 'ban', 'budget'" in done.stderr
