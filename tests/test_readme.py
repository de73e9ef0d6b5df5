"""The README's commands exist with the options that it gives them."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from apo import taskfile
from apo.batch import read_batch
from apo.cli import app

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
YAML = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    line.partition(" #")[0].strip()
    for block in BLOCKS
    for line in block.splitlines()
    if line.startswith("apo ")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_command_is_understood(line: str) -> None:
    """The command line takes each command of the README as it is written there."""
    group = typer.main.get_command(app)
    name, *arguments = shlex.split(line)[1:]
    command = group.get_command(group.make_context("apo", [name, *arguments]), name)  # type: ignore[attr-defined]

    assert command is not None
    context = command.make_context(name, list(arguments))
    if arguments and hasattr(command, "commands"):
        # A group of commands reads only its own options, the rest is for one of them.
        name, *arguments = arguments
        command = command.get_command(context, name)
        assert command is not None
        context = command.make_context(name, list(arguments))
    assert context is not None


def test_make_targets_exist() -> None:
    """Each `make` target that the README names is one."""
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"`?\bmake (?:\w+=\S+ )?([a-z]+)", TEXT))

    assert {"demo", "test", "bench"} <= targets
    assert targets <= set(re.findall(r"^(\w+):", makefile, re.MULTILINE))


def test_task_file_is_valid(tmp_path: Path) -> None:
    """The YAML task of the README passes the check of task files."""
    (tmp_path / "reviews.yaml").write_text(YAML[0], encoding="utf-8")
    settings = taskfile.parse(tmp_path / "reviews.yaml")

    assert "choice" == taskfile.check("reviews", settings["reviews"]).scorer


def test_batch_file_is_valid(tmp_path: Path) -> None:
    """The batch of the README is read as it says: three tasks, two seeds, two settings."""
    (tmp_path / "compare.yaml").write_text(YAML[1], encoding="utf-8")
    asked = read_batch(tmp_path / "compare.yaml")

    assert ("compare", 12, 2) == (asked.name, len(asked.cells), asked.parallel)


def test_every_command_is_in_the_readme() -> None:
    """No command is left for users to find by chance."""
    shown = {line.split()[1] for line in COMMANDS}

    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert known - shown == {"tasks"}
    assert "`apo tasks`" in TEXT
