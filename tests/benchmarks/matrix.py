"""A task's pool of prompts with what each answered on each row: right or wrong, measured once."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from apo.files import write_private
from apo.loading import load_task
from apo.prompt import Layout, Prompt
from apo.task import Task, as_exemplars

FOLDER = Path("results/benchmarks/replay")
SIZES = {"train": 50, "dev": 100, "test": 100}


@dataclass
class Matrix:
    """Right and wrong answers of a pool of prompts; it holds no text of the data."""

    task: str
    fingerprint: str
    """Of the task as it was measured; another one means other rows."""
    model: dict[str, str]
    """What answered: its name, engine and weights."""
    layout: Layout
    instructions: tuple[str, ...]
    exemplars: tuple[tuple[str, ...], ...]
    """Ids of train rows in the order in which they are shown."""
    dev: tuple[str, ...]
    test: tuple[str, ...]
    outcomes: dict[str, str] = field(default_factory=dict)
    """By prompt, `instruction-exemplars` (their numbers): a digit for each dev row, then for each test
    row, 1 right and 0 wrong."""

    @property
    def names(self) -> list[str]:
        """All prompts of the pool, measured or not."""
        return [f"{i}-{e}" for i in range(len(self.instructions)) for e in range(len(self.exemplars))]

    def prompt(self, name: str, task: Task) -> Prompt:
        """A prompt of the pool with its texts."""
        instruction, _, exemplars = name.partition("-")
        rows = {row.id: row for row in task.train}
        shown = (rows[row] for row in self.exemplars[int(exemplars)])
        worked = tuple(as_exemplars(shown))
        return Prompt(self.instructions[int(instruction)], worked, self.layout)


def load(name: str, data: Path) -> Task:
    """The task as it is split for the matrices."""
    return load_task(name, data, {}, SIZES)


def path(name: str) -> Path:
    """The file of a task's matrix."""
    return FOLDER / f"{name.replace('/', '-')}.json"


def read(name: str) -> Matrix:
    """A task's matrix from its file."""
    return read_file(path(name))


def read_file(file: Path) -> Matrix:
    """A matrix from its file."""
    return msgspec.json.decode(file.read_bytes(), type=Matrix)


def write(matrix: Matrix) -> None:
    """Write a matrix to its file, whole or not at all."""
    path(matrix.task).parent.mkdir(parents=True, exist_ok=True)
    write_private(path(matrix.task), msgspec.json.format(msgspec.json.encode(matrix), indent=1) + b"\n")
