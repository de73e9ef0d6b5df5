"""The command line: one clear message for each mistake, before any server is asked; light to start."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.components.helpers import FakeServer, fake_server

APO = str(Path(sys.executable).with_name("apo"))
COMMANDS = ("run", "list", "show", "export", "report", "serve", "tasks", "cache")
HEAVY = ("torch", "openai", "datasets", "numpy", "textual", "vllm", "transformers", "matplotlib")
NOBODY = "http://127.0.0.1:9/v1"
GOOD = "text,label\n" + "".join(f"text number {n},{'ab'[n % 2]}\n" for n in range(40))
FILES: dict[str, str | bytes] = {
    "good.csv": GOOD,
    "empty.csv": "",
    "header.csv": "text,label\n",
    "one.csv": "text,label\nhello,a\n",
    "hole.csv": GOOD + "no answer,\n",
    "twice.csv": GOOD + "".join(f"text number {n},a\n" for n in range(30)),
    "ragged.csv": GOOD + "one cell\n",
    "broken.jsonl": '{"text": "x", "label": "a"}\n{"text": "y", "label":\n',
    "latin.jsonl": '{"text": "caf\u00e9", "label": "a"}\n'.encode("latin-1"),
    "table.xyz": "text",
    "nan.jsonl": '{"text": "x", "label": 1.5}\n{"text": "y", "label": NaN}\n' * 20,
    "broken.yaml": "data: {path: x.csv\nscorer: exact\n",
    "labels.yaml": "data: {path: good.csv}\ncolumns: {input: text, target: label}\nlabels: [a, c]\n",
    "typo.yaml": "data: {path: good.csv}\nscorrer: exact\n",
    "parity.py": """
from apo.prompt import Prompt
from apo.scorers import Exact
from apo.task import Example, Task

def load():
    rows = [Example(f"n{n}", f"Number {n}?", "odd" if n % 2 else "even") for n in range(30)]
    splits = tuple(rows[:10]), tuple(rows[10:20]), tuple(rows[20:])
    return Task("parity", "Even or odd.", Prompt("Even or odd?"), Exact(), *splits)
""",
}
COLUMNS = "--input text --target label"
MISTAKES = {
    "unknown_task": ("run nope", "There is no task 'nope'."),
    "unknown_task_file": ("run nope.yaml", "/nope.yaml'. Known tasks: apo tasks"),
    "near_task": ("run sentimant", "Did you mean 'sentiment'?"),
    "unknown_proposer": (
        "run parity.py --proposer orpo",
        "There is no proposer 'orpo'. Did you mean 'opro'?",
    ),
    "unknown_selector": (
        "run parity.py --selector nope",
        "'nope'. Known: accept_reject, all,",
    ),
    "unknown_scheduler": ("run parity.py --scheduler nope", "There is no scheduler 'nope'."),
    "unknown_alternation": ("run parity.py --alternation nope", "There is no alternation 'nope'."),
    "alternation_option": ("run parity.py --alternation split:instruction=2", "instruction must be a share"),
    "unknown_option": ("run parity.py --proposer opro:nope=1", "There is no option of opro 'nope'."),
    "option_choice": (
        "run parity.py --proposer greater:check=los",
        "There is no check of greater 'los'. Did you mean 'loss'? Known: errors, loss, none.",
    ),
    "option_type": ("run parity.py --proposer opro:shown=many", "opro: option shown='many' does not fit"),
    "option_value": ("run parity.py --proposer opro:shown=0", "opro: shown must be at least 1"),
    "option_form": ("run parity.py --scheduler full:x", "full: 'x' is not an option; write option=value."),
    "unknown_column": ("run --data good.csv --input nope", "There is no column 'nope'. Known: label, text."),
    "unknown_label": ("run labels.yaml", "the target 'b' is not among the labels (a, c)"),
    "unknown_setting": ("run typo.yaml", "'scorrer'. Did you mean 'scorer'?"),
    "unknown_scorer": (f"run --data good.csv {COLUMNS} --scorer nope", "There is no scorer 'nope'."),
    "unknown_list": ("list nope", "There is no list 'nope'."),
    "unknown_run": ("show nope", "'nope'. Known: none."),
    "unknown_run_export": ("export nope", "'nope'. Known: none."),
    "no_file": (f"run --data nope.csv {COLUMNS}", "nope.csv'. Give the path of an existing file."),
    "no_format": (f"run --data table.xyz {COLUMNS}", ".xyz is not a known format"),
    "empty_file": (f"run --data empty.csv {COLUMNS}", "empty.csv is empty"),
    "no_rows": (f"run --data header.csv {COLUMNS}", "apo: header.csv "),
    "one_row": (f"run --data one.csv {COLUMNS}", "1 rows are too few"),
    "no_target": (f"run --data hole.csv {COLUMNS}", "Row 41 has nothing in column 'label'."),
    "ragged": (f"run --data ragged.csv {COLUMNS}", "ragged.csv, line 42: 1 cells where the header has 2"),
    "duplicates": (f"run --data twice.csv {COLUMNS}", "have the same input ('text number"),
    "broken_line": (f"run --data broken.jsonl {COLUMNS}", "broken.jsonl, line 2: not JSON"),
    "not_utf8": (f"run --data latin.jsonl {COLUMNS}", "latin.jsonl is not UTF-8"),
    "too_large_split": (f"run --data good.csv {COLUMNS} --dev 99", "The dev split must have between 1 and"),
    "small_budget": ("run parity.py --calls 29", "A budget of 29 calls is too small"),
    "no_number": (f"run --data nan.jsonl {COLUMNS}", "Row 2 has nothing in column 'label'."),
    "columns_of_nothing": ("run parity.py --target label", "columns of a data file: give one with --data."),
    "broken_yaml": ("run broken.yaml", "broken.yaml cannot be read: while parsing a flow mapping in"),
    "two_forms": ("show --markdown --json", "--markdown prints the whole run"),
    "tuned_task": ("tune-engine nope", "There is no task 'nope'."),
    "both": ("run parity.py --data good.csv", "both were given."),
    "neither": ("run", "neither was given."),
}
"""Command and a part of the message that it gets."""


@dataclass(frozen=True)
class Scene:
    """What came of every mistake, and the server that nobody should have asked."""

    outcomes: dict[str, subprocess.CompletedProcess[str]]
    server: FakeServer


def call(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the installed program in a folder."""
    return subprocess.run(
        [APO, *command], cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with good and bad data."""
    made = tmp_path_factory.mktemp("mistakes")
    for name, content in FILES.items():
        (made / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return made


@pytest.fixture(scope="module")
def scene(folder: Path) -> Iterator[Scene]:
    """Every mistake made once."""
    with fake_server(lambda _: (200, "a")) as server, ThreadPoolExecutor(3) as pool:
        where = {"run": ["--url", server.url, "--model", "fake"]}
        commands = [command.split() for command, _ in MISTAKES.values()]
        done = pool.map(lambda c: call([*c, *where.get(c[0], [])], folder), commands)
        yield Scene(dict(zip(MISTAKES, done, strict=True)), server)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake(scene: Scene, mistake: str) -> None:
    """A mistake ends with exit code 2 and one line that names it, and no traceback."""
    done, said = scene.outcomes[mistake], MISTAKES[mistake][1]

    assert (2, "") == (done.returncode, done.stdout)
    assert 1 == done.stderr.count("\n")
    assert done.stderr.startswith("apo: ")
    assert said in done.stderr


def test_mistakes_come_before_the_server(scene: Scene, folder: Path) -> None:
    """No mistake in task or request is found only after a model server was asked, and nothing is left."""
    assert 0 == scene.server.visits
    assert not (folder / "results").exists()


def test_no_server(folder: Path) -> None:
    """Without a server at the address the message names it and the ways out."""
    done = call(["run", "parity.py", "--url", NOBODY], folder)

    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    assert f"apo: No model server answers at {NOBODY}" in done.stderr
    assert "--url" in done.stderr


def test_unknown_model(folder: Path) -> None:
    """A model that the server does not have is told with those that it has."""
    with fake_server(lambda _: (200, "a"), model="served") as server:
        done = call(["run", "parity.py", "--url", server.url, "--model", "sevred"], folder)

    assert (2, "") == (done.returncode, done.stdout)
    assert "Did you mean 'served'?" in done.stderr


def test_no_key(folder: Path) -> None:
    """A server elsewhere needs a key, and the message names the variable that should hold it."""
    where = ["--url", "https://models.invalid/v1", "--api-key-env", "APO_TEST_NO_KEY"]
    done = call(["run", "parity.py", *where], folder)

    assert (2, "") == (done.returncode, done.stdout)
    assert "APO_TEST_NO_KEY is not set" in done.stderr


def test_results_unwritable(folder: Path) -> None:
    """A results folder that is a file is told before anything is asked of the model."""
    with fake_server(lambda _: (200, "a")) as server:
        where = ["--url", server.url, "--model", "fake", "--results", "good.csv"]
        done = call(["run", "parity.py", *where, "--json"], folder)

    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    assert "The results folder 'good.csv' cannot be written" in done.stderr
    assert [] == server.asked


@pytest.mark.parametrize(
    "options",
    [
        "run --calls 0",
        "run --max-exemplars 100",
        "run --nope",
        "run --seed x",
        "serve --context 63",
        "nope",
        "show a b",
    ],
)
def test_usage(folder: Path, options: str) -> None:
    """An option out of its range, or unknown, ends with exit code 2 and the way to help."""
    done = call(options.split(), folder)

    assert (2, "") == (done.returncode, done.stdout)
    assert "Usage: apo" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=["apo", *COMMANDS])
def test_help(folder: Path, command: list[str]) -> None:
    """Every command says what it does, and what each of its options is for."""
    done = call([*command, "--help"], folder)
    lines = [line for line in done.stdout.splitlines() if line.lstrip().startswith("--")]

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("Usage: apo")
    assert all(len(line.split("  ")) > 1 for line in lines)


def test_no_arguments(folder: Path) -> None:
    """Without arguments the help is shown, with every command."""
    done = call([], folder)
    shown = done.stdout + done.stderr

    assert all(f"\n  {command} " in shown for command in COMMANDS)


def test_version(folder: Path) -> None:
    """The version is one line."""
    done = call(["--version"], folder)

    assert (0, 2) == (done.returncode, len(done.stdout.split()))


LIGHT = {
    "help": "import sys; from apo.cli import app; app(['--help'], standalone_mode=False)",
    "run_help": "import sys; from apo.cli import app; app(['run', '--help'], standalone_mode=False)",
    "tasks": "import sys; from apo.cli import app; app(['tasks'], standalone_mode=False)",
    "reading": "import sys; import tui, apo.history, apo.leaderboard, apo.store.runs",
}


@pytest.mark.parametrize("code", LIGHT.values(), ids=LIGHT)
def test_light(code: str, tmp_path: Path) -> None:
    """Help, lists and all that a screen needs load no heavy library."""
    check = f"; print('loaded', [m for m in {HEAVY} if m in sys.modules])"
    environment = {k: v for k, v in os.environ.items() if k != "APO_PATH"}
    done = subprocess.run(
        [sys.executable, "-c", code + check],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "loaded []" == done.stdout.splitlines()[-1]
