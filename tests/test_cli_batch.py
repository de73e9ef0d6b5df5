"""`apo batch`: many runs from one file; a failed one leaves the others, and a batch goes on as a whole."""

import csv
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from apo import words
from apo.store.runs import RunFolder, list_runs
from tests.components.helpers import FakeServer, fake_server
from tests.places import (
    Done,
    Gate,
    Place,
    Process,
    ended,
    gated,
    refused,
    rows,
    rows_asked,
    until,
    well,
)
from tests.test_cli_run import even

CALLS = 60
DEAD = (500, "out of memory")


def write(place: Place, server: FakeServer, **content: Any) -> None:
    """The batch file `mine.yaml`."""
    common = {"url": server.url, "model": "fake", "calls": CALLS, "cache": False, "patience": 0}
    whole = {"tasks": ["parity.py"], "common": common, **content}
    whole["common"] = common | content.get("common", {})
    (place.path / "mine.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")


def cells(place: Place) -> dict[str, RunFolder]:
    """The runs of the batch by name."""
    return {run.name: run for run in list_runs(place.results / "mine")}


def summary(place: Place) -> dict[str, Any]:
    """The batch's summary.json."""
    content: dict[str, Any] = json.loads((place.results / "mine" / "summary.json").read_text("utf-8"))
    return content


@dataclass(frozen=True)
class Scene:
    """A batch of three runs of which one failed."""

    place: Place
    good: FakeServer
    bad: FakeServer
    done: Done


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The server of one of its settings answers nothing."""
    place = Place.at(tmp_path_factory.mktemp("batch"))
    with fake_server(even) as good, fake_server(lambda _: DEAD) as bad:
        settings = {"a": {}, "dead": {"url": bad.url}, "z": {"layouts": False}}
        write(place, good, settings=settings, parallel=2)
        yield Scene(place, good, bad, place.on_runs("batch", "mine.yaml"))


def test_one_fails(scene: Scene) -> None:
    """A run whose server answers nothing fails alone: the others finish, and the exit code is 1."""
    states = {name: words.state(run.history()) for name, run in cells(scene.place).items()}

    assert 1 == scene.done.returncode
    assert {"parity-a-s0": "finished", "parity-dead-s0": "running", "parity-z-s0": "finished"} == states
    assert "Traceback" not in scene.done.stderr
    assert "] parity-dead-s0: The model server did not come back within 0 seconds: " in scene.done.stderr
    assert "[3/3] " in scene.done.stderr
    assert scene.done.stdout.startswith("parity-dead-s0: failed. The model server did not come back")


def test_summary(scene: Scene) -> None:
    """The summary holds every run, the failed one with its reason, and groups of what finished."""
    content = summary(scene.place)
    lines = {line["run"]: line for line in content["runs"]}
    with (scene.place.results / "mine" / "summary.csv").open(encoding="utf-8", newline="") as file:
        table = {line["run"]: line for line in csv.DictReader(file)}

    assert ("mine", ["finished", "failed", "finished"]) == (
        content["batch"],
        [line["state"] for line in lines.values()],
    )
    assert list(lines) == list(table)
    assert "out of memory" in lines["parity-dead-s0"]["problem"]
    assert lines["parity-dead-s0"]["problem"] == table["parity-dead-s0"]["problem"]
    assert 0.5 == lines["parity-a-s0"]["test"]["mean"] == float(table["parity-a-s0"]["test_mean"])
    for name, run in cells(scene.place).items():
        assert run.history().total.calls == lines[name]["calls"] == int(table[name]["calls"])
    assert [("parity", "a", 1), ("parity", "z", 1), ("all", "a", 1), ("all", "z", 1)] == [
        (group["task"], group["setting"], group["runs"]) for group in content["groups"]
    ]


def test_again(scene: Scene) -> None:
    """When the server is well the same command does what is left; once more, there is nothing left."""
    asked, held = len(scene.good.asked), rows(cells(scene.place)["parity-dead-s0"])
    before = rows_asked(scene.bad)
    scene.bad.answering = even
    done = well(scene.place.on_runs("batch", "mine.yaml", "--json"))
    third = well(scene.place.on_runs("batch", "mine.yaml"))

    assert asked == len(scene.good.asked)
    assert rows(cells(scene.place)["parity-dead-s0"]) - held == rows_asked(scene.bad) - before > 0
    assert "parity-dead-s0: begins\n[3/3] parity-dead-s0: finished\n" == done.stderr
    assert json.loads(done.stdout) == summary(scene.place)
    assert ["finished"] * 3 == [line["state"] for line in summary(scene.place)["runs"]]
    assert "" == third.stderr
    assert "Summary: " in third.stdout.splitlines()[-1]


CANNOT: dict[str, dict[str, Any]] = {
    "nope-default-s0: There is no task 'nope'": {"tasks": ["nope"]},
    "nope-default-s0: There is no task file": {"tasks": ["nope.py"]},
    "parity-default-s0: A budget of 20 calls is too small": {"common": {"calls": 20}},
    "parity-b-s1: There is no proposer 'nope'": {"settings": {"b": {"proposer": "nope"}}, "seeds": [1]},
    "There is no option in": {"common": {"nope": 1}},
    "parity-default-s0: with the engine `inprocess` each run loads the model for itself, so 3 runs": {
        "common": {"url": None, "engine": "inprocess"},
        "parallel": 3,
    },
    "parity-default-s0: The engine `inprocess` is vLLM in this run's own care, and http": {
        "common": {"engine": "inprocess"}
    },
}
"""A part of a message, and what a batch file says to get it."""


def test_cannot_work(tmp_path: Path) -> None:
    """What cannot work is refused with the run's name before anybody is asked or anything is made."""
    place = Place.at(tmp_path)
    with fake_server(even) as server:
        for number, change in enumerate(CANNOT.values()):
            write(place, server, **change)
            (tmp_path / "mine.yaml").rename(tmp_path / f"{number}.yaml")
        files = [*(f"{number}.yaml" for number in range(len(CANNOT))), "no.yaml"]
        done = place.several(["batch", file] for file in files)

        assert 0 == server.visits
    for said, one in zip([*CANNOT, "The batch file no.yaml cannot be read: No such"], done, strict=True):
        refused(one, 2, said)
    assert not place.results.exists()


def test_changed_file(scene: Scene) -> None:
    """A file that asks for other runs by the names of those there are is refused by the first difference."""
    before = (scene.place.results / "mine" / "summary.json").read_bytes()
    write(scene.place, scene.good, settings={"new": {}, "a": {"max_exemplars": 3}})
    done = scene.place.on_runs("batch", "mine.yaml")

    said = "The run parity-a-s0 was begun with other options: max_exemplars is 32 there and 3 here"
    refused(done, 2, said)
    assert before == (scene.place.results / "mine" / "summary.json").read_bytes()
    assert "parity-new-s0" not in cells(scene.place)


def reached(place: Place, process: Process, gate: Gate) -> None:
    """Wait until runs of a batch wait for the server."""
    until(lambda: gate.reached, process)
    assert any(run.is_live() for run in cells(place).values())


def test_interrupted_and_killed(tmp_path: Path) -> None:
    """After Ctrl-C, and after kill -9, the runs end well by themselves, and no row is ever asked twice."""
    place = Place.at(tmp_path)
    with gated(40) as (gate, server):
        write(place, server, seeds=[0, 1], parallel=2)
        line = ("batch", "mine.yaml", "--results", str(place.results))
        process = place.start(*line)
        reached(place, process, gate)
        # One run alone may reach the gate; Ctrl-C is for both.
        until(lambda: all("step 0" in log for log in logs(place)), process)
        process.send_signal(signal.SIGINT)
        until(lambda: all("finishing the rows" in log for log in logs(place)), process)
        gate.opened.set()
        first = ended(process)
        states = [one["state"] for one in summary(place)["runs"]]
        assert rows_asked(server) == held(place)

        server.answering = second = Gate(10)
        process = place.start(*line, "--parallel", "1")
        reached(place, process, second)
        process.kill()
        ended(process)
        second.opened.set()
        third = well(place.on_runs("batch", "mine.yaml"))

    assert (130, ["running", "running"]) == (first.returncode, states)
    assert "apo: interrupted; the same command goes on with the batch." == first.stderr.splitlines()[-1]
    assert rows_asked(server) == held(place)
    assert ["finished", "finished"] == [one["state"] for one in summary(place)["runs"]]
    assert "Traceback" not in first.stderr + third.stderr


def logs(place: Place) -> list[str]:
    """What the runs have printed."""
    return [(run.path / "apo.log").read_text(encoding="utf-8") for run in cells(place).values()]


def held(place: Place) -> int:
    """Rows that the journals of the batch hold."""
    return sum(rows(run) for run in cells(place).values())
