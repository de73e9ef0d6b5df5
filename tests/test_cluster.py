"""A batch on a Ray cluster of two nodes: a killed node costs no run and counts no row twice."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.ray_batch import met, untimed
from tests.components.helpers import fake_server
from tests.places import Place, ended, gated, rows_asked, until, well
from tests.ray_cluster import TwoNodes, two_nodes
from tests.test_cli_batch import CALLS, cells, held, summary, write
from tests.test_cli_run import even

pytest.importorskip("ray", reason="Ray is not installed: pip install 'apo[ray]'")
SEEDS = [0, 1, 2]
SLOW = 240
"""Seconds; a node starts a process for each run, which takes long where the machine is busy."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    """Nodes whose runs keep their answers in a folder of their own."""
    cache = str(tmp_path_factory.mktemp("cache"))
    with two_nodes({**os.environ, "XDG_CACHE_HOME": cache}) as nodes:
        yield nodes


def test_interrupted(cluster: TwoNodes, tmp_path: Path) -> None:
    """After Ctrl-C the rows in flight are finished and come home, and the same command asks no row twice."""
    place = Place.at(tmp_path)
    batch = ("batch", "mine.yaml", "--results", str(place.results), "--ray", cluster.address)
    with gated(30) as (gate, server):
        write(place, server, seeds=[0, 1])
        process = place.start(*batch)
        # One run alone may reach the gate; Ctrl-C is for both.
        until(lambda: gate.reached and all("step 0" in log for log in logs(place)), process, SLOW)
        process.send_signal(signal.SIGINT)
        until(lambda: all("finishing the rows" in log for log in logs(place)), process, SLOW)
        gate.opened.set()
        first = ended(process, SLOW)
        states = [one["state"] for one in summary(place)["runs"]]

        assert rows_asked(server) == held(place)
        well(ended(place.start(*batch), SLOW))

    assert (130, ["running", "running"]) == (first.returncode, states)
    assert "apo: interrupted; the same command goes on with the batch." == first.stderr.splitlines()[-1]
    assert "" == first.stdout
    assert rows_asked(server) == held(place)
    assert ["finished", "finished"] == [one["state"] for one in summary(place)["runs"]]


def logs(place: Place) -> list[str]:
    """What the runs have printed, as far as it has come home."""
    outputs = [run.output for run in cells(place).values()]
    return [path.read_text(encoding="utf-8") if path.exists() else "" for path in outputs]


def test_node_killed(cluster: TwoNodes, tmp_path: Path) -> None:
    """With a node killed in the middle the batch ends as it does here, and each run's folder is whole."""
    (tmp_path / "here").mkdir()
    place, here = Place.at(tmp_path), Place.at(tmp_path / "here")
    with fake_server(even) as server:
        write(here, server, seeds=SEEDS, parallel=2)
        well(here.on_runs("batch", "mine.yaml"))
    with gated(40) as (gate, server):  # before any run has ended
        write(place, server, seeds=SEEDS)
        line = ("--results", str(place.results), "--ray", cluster.address, "--json")
        process = place.start("batch", "mine.yaml", *line)
        until(
            lambda: gate.reached and 2 == sum(run.is_live() for run in cells(place).values()), process, SLOW
        )
        cluster.kill()
        gate.opened.set()
        done = well(ended(process, SLOW))

    assert "goes on, on" in done.stderr
    assert done.stdout.startswith("{")
    assert untimed(summary(here)) == untimed(summary(place))
    assert 0 <= rows_asked(server) - held(place) <= CALLS
    for run in cells(place).values():
        assert {1} == set(met(run).values())
        assert run.best.exists()
        assert not run.is_live()
