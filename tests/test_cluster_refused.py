"""`apo batch --ray` where no cluster answers: one line, exit code 2, and nothing is made."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.components.helpers import fake_server
from tests.little_server import unused_url
from tests.places import Place, refused
from tests.test_cli_batch import write
from tests.test_cli_run import even


def test_no_cluster(tmp_path: Path) -> None:
    """Nobody listens there, the address is none, or it is a client's, whose folders are elsewhere."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'apo[ray]'")
    place = Place.at(tmp_path)
    nobody = unused_url().removeprefix("http://").removesuffix("/v1")
    said = {
        nobody: f"No Ray cluster answers at '{nobody}': [Errno 111] Connection refused. Start one",
        "nonsense": "No Ray cluster answers at 'nonsense': Invalid address format: nonsense. Start one",
        "ray://127.0.0.1:1": "'ray://127.0.0.1:1' is no address of a cluster that apo can use",
    }
    with fake_server(even) as server:
        write(place, server)
        for one, part in zip(
            place.several(["batch", "mine.yaml", "--ray", a] for a in said), said.values(), strict=True
        ):
            refused(one, 2, part)

        assert 0 == server.visits
    assert not place.results.exists()


def test_no_ray(tmp_path: Path) -> None:
    """Without the package the message says how to install it."""
    (tmp_path / "less").mkdir()
    (tmp_path / "less" / "ray.py").write_text("raise ImportError('no ray')", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path / "less"), os.environ.get("PYTHONPATH", "")])
    place = replace(Place.at(tmp_path), more={"PYTHONPATH": path})
    with fake_server(even) as server:
        write(place, server)
        done = place.on_runs("batch", "mine.yaml", "--ray", "auto")

    refused(done, 2, "Ray is not installed here. Install it: pip install 'apo[ray]'")
    assert not place.results.exists()
