"""The main job on a real server: a task in, the best prompt out."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest

from apo.serving.server import Server

APO = str(Path(sys.executable).with_name("apo"))
pytestmark = pytest.mark.usefixtures("server")


def apo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command line on the server that these tests hold."""
    return subprocess.run([APO, *arguments], capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def finished(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of one small run."""
    results = tmp_path_factory.mktemp("results")
    options = ["--dev", "30", "--test", "40", "--calls", "600", "--eager"]
    done = apo("run", "tickets", *options, "--results", str(results))

    assert done.returncode == 0, done.stderr
    return results


def exported(results: Path) -> dict[str, Any]:
    """The best prompt that the run left."""
    (path,) = results.glob("*/best.json")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_best_prompt_beats_the_seed_on_the_sealed_test(finished: Path) -> None:
    """The small model learns the labels from exemplars; the gain is above noise."""
    test = exported(finished)["scores"]["test"]

    assert test["difference"]["low"] > 0
    assert test["winner"]["n"] == 40


def test_export_fits_its_schema(finished: Path) -> None:
    """What a run leaves is what `apo export --schema` promises."""
    schema = json.loads(apo("export", "--schema").stdout)

    jsonschema.validate(exported(finished), schema)


def test_exported_request_can_be_sent_as_it_is(finished: Path, server: Server) -> None:
    """Replacing the placeholder and posting the body gives an answer."""
    request = exported(finished)["request"]
    text = json.dumps("Where is my parcel? It should have come on Monday.")[1:-1]
    body = json.dumps(request["body"]).replace(request["placeholder"], text)
    url = server.base_url.removesuffix("/v1") + request["endpoint"]
    headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}

    reply = httpx2.post(url, content=body, headers=headers, timeout=60)

    assert reply.status_code == 200
    assert json.dumps(request["body"]).count(request["placeholder"]) == 1


def test_api_key_is_in_no_file_of_the_run(finished: Path, server: Server) -> None:
    """Neither the journal nor the export nor the log holds the server's key."""
    files = [path for path in finished.rglob("*") if path.is_file()]

    assert len(files) >= 3
    assert [] == [path for path in files if server.api_key.encode() in path.read_bytes()]


def test_dry_run_forecasts_and_leaves_nothing(tmp_path: Path) -> None:
    """`--dry-run` measures the first rows, prints what the run would use, and stops."""
    done = apo("run", "sentiment", "--dry-run", "--eager", "--json", "--results", str(tmp_path / "r"))
    forecast = json.loads(done.stdout)

    assert forecast["calls"] == 2000
    assert forecast["seconds"] > 0
    assert not (tmp_path / "r").exists()


def test_a_csv_and_nothing_else_is_a_task(tmp_path: Path) -> None:
    """Two columns of a CSV are enough for a run."""
    rows = "\n".join(f'"the number is {n}",{"even" if n % 2 == 0 else "odd"}' for n in range(40))
    (tmp_path / "my.csv").write_text(f"text,label\n{rows}\n")
    options = ["--data", str(tmp_path / "my.csv"), "--input", "text", "--target", "label"]

    done = apo("run", *options, "--calls", "120", "--eager", "--json", "--results", str(tmp_path / "r"))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["scores"]["test"] is not None
