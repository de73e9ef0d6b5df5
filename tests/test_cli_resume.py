"""`apo resume` and `apo run` again: an interrupted run goes on where its journal ends."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from apo import events, words
from apo.store.journal import read_records
from tests.components.helpers import fake_server
from tests.places import (
    Done,
    Place,
    Stopped,
    ended,
    gated,
    heard,
    refused,
    rows,
    rows_asked,
    stopped_run,
    until,
    well,
)
from tests.test_cli_run import even


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopped]:
    """An interrupted run."""
    with stopped_run(tmp_path_factory.mktemp("stopped")) as made:
        yield made


def test_interrupted_once(stopped: Stopped) -> None:
    """Ctrl-C once finishes the rows in flight, writes them, and says how to go on."""
    finishing, said = stopped.done.stderr.splitlines()[-2:]

    assert (130, "") == (stopped.done.returncode, stopped.done.stdout)
    assert "apo: finishing the rows in flight; once more stops at once." == finishing
    assert "apo: interrupted; what was answered is kept. Go on with: apo resume mine" == said
    assert stopped.asked == rows(stopped.place.run) > 40
    assert "running" == words.state(stopped.place.run.history())


@pytest.mark.parametrize("name", ["mine", "last", "path"])
def test_resume(stopped: Stopped, tmp_path: Path, name: str) -> None:
    """By name, as the last one or by its folder a run goes on to its end; no row that it holds is asked."""
    place = stopped.copy(tmp_path)
    run, before = place.run, rows_asked(stopped.server)
    journal = run.journal.read_bytes()
    done = well(place.on_runs("resume", str(run.path) if name == "path" else name))

    assert "finished" == words.state(run.history())
    assert rows(run) - stopped.asked == rows_asked(stopped.server) - before > 0
    assert run.journal.read_bytes().startswith(journal)
    assert f"The best prompt: {run.best}" in done.stdout
    assert 1 == sum(isinstance(r.event, events.RunResumed) for r in read_records(run.journal))


def test_interrupted_twice(tmp_path: Path) -> None:
    """Ctrl-C twice stops at once; the same command goes on with that run and says so."""
    place = Place.at(tmp_path)
    with gated(40) as (gate, server):
        process = place.start(*place.line(server))
        until(lambda: gate.reached, process)
        process.send_signal(signal.SIGINT)
        heard(process)
        process.send_signal(signal.SIGINT)
        cut = ended(process)
        held, asked = rows(place.run), rows_asked(server)
        gate.opened.set()
        done = well(place.apo(*place.line(server)))
        again = rows_asked(server) - asked

    assert (130, "", 1) == (cut.returncode, cut.stdout, cut.stderr.count("\n")), cut
    assert (
        cut.stderr
        == f"apo: interrupted; what was answered is kept. Go on with: apo resume {place.run.name}\n"
    )
    assert held < asked
    assert f"Going on with {place.run.name}; --fresh begins a new run." == done.stderr.splitlines()[0]
    assert rows(place.run) - held == again
    assert "finished" == words.state(place.run.history())


def test_json(stopped: Stopped, tmp_path: Path) -> None:
    """With --json a resumed run prints its best prompt alone."""
    place = stopped.copy(tmp_path)
    done = well(place.on_runs("resume", "--json"))

    assert ("", place.run.best.read_text(encoding="utf-8")) == (done.stderr, done.stdout)


def test_same_command(stopped: Stopped, tmp_path: Path) -> None:
    """A run with a name is gone on with by its name, or by the same command without one."""
    by_name, without = stopped.copy(tmp_path / "a"), stopped.copy(tmp_path / "b")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(by_name.apo, *by_name.line(stopped.server, "--name", "mine"))
        second = pool.submit(without.apo, *without.line(stopped.server))

    assert "Going on" not in well(first.result()).stderr
    assert well(second.result()).stderr.startswith("Going on with mine; ")
    assert ["finished"] * 2 == [words.state(place.run.history()) for place in (by_name, without)]
    assert f"resumed after {stopped.asked} calls" in second.result().stderr


def test_with_one_more_server(stopped: Stopped, tmp_path: Path) -> None:
    """The same command with one more address goes on with the run by its name, and asks both servers."""
    place = stopped.copy(tmp_path)
    before = rows_asked(stopped.server)
    with fake_server(even) as second:
        done = place.apo(*place.line(stopped.server, "--url", second.url, "--name", "mine"))
        well(done)
        asked = rows_asked(second)

    assert "finished" == words.state(place.run.history())
    assert 0 < asked < rows(place.run) - stopped.asked
    assert rows_asked(stopped.server) > before
    assert [stopped.server.url, second.url] == list(place.run.spec().model.urls)


def test_another_server(stopped: Stopped, tmp_path: Path) -> None:
    """Without any of the addresses that a run began with it is another run."""
    place = stopped.copy(tmp_path)
    elsewhere = {stopped.server.url: "http://127.0.0.1:9/v1"}
    line = [elsewhere.get(word, word) for word in place.line(stopped.server, "--name", "mine")]

    refused(place.apo(*line), 2, "The run mine was begun with other options: model.base_url")


def test_fresh(stopped: Stopped, tmp_path: Path) -> None:
    """With --fresh, or another name, another run begins and the interrupted one is left as it was."""
    place = stopped.copy(tmp_path)
    journal = place.run.journal.read_bytes()
    with ThreadPoolExecutor(2) as pool:
        lines = [place.line(stopped.server, *more) for more in (["--fresh"], ["--name", "other"])]
        for done in pool.map(lambda line: place.apo(*line), lines):
            well(done)

    assert {"mine": "running", "other": "finished"}.items() <= states(place).items()
    assert 3 == len(place.runs)
    assert journal == (place.results / "mine" / "events.jsonl").read_bytes()


def states(place: Place) -> dict[str, str]:
    """What each run's journal says of its state."""
    return {run.name: words.state(run.history()) for run in place.runs}


def test_finished(tmp_path: Path) -> None:
    """A run that has ended cannot be gone on with, and the same command begins a new one."""
    place = Place.at(tmp_path)
    with fake_server(even) as server:
        well(place.apo(*place.line(server, "--calls", "36")))
        name, asked = place.run.name, len(server.asked)
        journal = place.run.journal.read_bytes()
        refused(
            place.on_runs("resume", name), 2, f"The run {name} has finished (budget spent)", "start a new one"
        )

        assert (asked, journal) == (len(server.asked), place.run.journal.read_bytes())
        well(place.apo(*place.line(server, "--calls", "36")))
    assert ["finished", "finished"] == list(states(place).values())


OTHER = {
    "seed": (["--seed", "3"], "seed is 0 there and 3 here"),
    "calls": (["--calls", "90"], "budget.calls is 100 there and 90 here"),
    "proposer": (["--proposer", "opro"], "proposers"),
    "model": (["--model", "other"], "model.model is 'fake' there and 'other' here"),
    "layouts": (["--no-layouts"], "layouts is True there and False here"),
    "patience": (["--patience", "1"], "patience is 600.0 there and 60.0 here"),
}
"""Other options, and the first difference that is named."""
NAMES = {"parent": "../x", "empty": "", "hidden": ".x", "long": "a" * 101, "option": "x/y", "null": "a b\n"}


@pytest.fixture(scope="module")
def refusals(stopped: Stopped, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """What came of the same name with other options, and of names that are none."""
    place = stopped.copy(tmp_path_factory.mktemp("refusals"))
    lines = {key: [*options, "--name", "mine"] for key, (options, _) in OTHER.items()}
    lines |= {f"name_{key}": [f"--name={name}"] for key, name in NAMES.items()}
    before = place.run.journal.read_bytes(), len(stopped.server.asked)
    done = place.several(place.line(stopped.server, *more) for more in lines.values())
    assert before == (place.run.journal.read_bytes(), len(stopped.server.asked))
    assert ["mine"] == [path.name for path in place.results.iterdir()]
    return dict(zip(lines, done, strict=True))


@pytest.mark.parametrize("option", OTHER)
def test_other_options(refusals: dict[str, Done], option: str) -> None:
    """The name of a run that was begun with other options is refused by the first of them."""
    said = "The run mine was begun with other options: "
    refused(refusals[option], 2, said, OTHER[option][1], "give the new run another name")


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names(refusals: dict[str, Done], name: str) -> None:
    """What cannot be a folder's name is refused, and nothing is made."""
    refused(refusals[f"name_{name}"], 2, f"{NAMES[name]!r} cannot be a run's name")


def test_no_run(tmp_path: Path) -> None:
    """Where there is no run there is none to resume, and no results folder is made."""
    place = Place.at(tmp_path)
    refused(place.on_runs("resume"), 2, "named 'last'. Known: none.")

    assert not place.results.exists()
