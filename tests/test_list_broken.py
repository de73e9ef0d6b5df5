"""`apo list` over folders of runs that are half written: each is shown, none ends in a traceback."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from apo.cli import app
from apo.store.runs import create
from tests.helpers import started, toy_spec, toy_task
from tests.test_journal import FACTS, written

BROKEN = {
    "empty": b"",
    "torn": b'{"n":0,"t":0.0,"ev',
    "garbage": b"\x00\xff\n",
    "other-version": b'{"n":0,"t":0.0,"event":{"type":"RunStarted","schema":99}}\n',
    "no-beginning": b'{"n":0,"t":0.0,"event":{"type":"RunContinued"}}\n',
    "deep": b'{"n":' + b"[" * 100_000 + b"\n",
}


@pytest.mark.parametrize("torn_spec", [False, True], ids=["spec", "torn-spec"])
def test_list_runs(tmp_path: Path, torn_spec: bool) -> None:
    """Whole and half-written runs stand side by side in the list."""
    folders = [create(tmp_path, name, toy_spec()) for name in ("unbegun", "whole", *BROKEN)]
    written(folders[1].journal, started(toy_task(), toy_spec()), *FACTS)
    for folder, content in zip(folders[2:], BROKEN.values(), strict=True):
        folder.journal.write_bytes(content)
        if torn_spec:
            (folder.path / "spec.json").write_bytes(b'{"task"')
    done = CliRunner().invoke(app, ["list", "--results", str(tmp_path), "--json"])

    assert (0, None) == (done.exit_code, done.exception)
    assert all(folder.name in done.stdout for folder in folders)
