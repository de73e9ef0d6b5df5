"""Where tasks come from besides a YAML file: their names, Python, one data file, local copies."""

import json
from pathlib import Path
from typing import Any

import pytest

from apo.errors import ConfigError, DataError
from apo.loading import data_task, descriptions, guess_scorer, load_task, task_names
from apo.scorers import F1, Choice, Contains, Exact, Numeric, SetMatch
from apo.task import Example, Scorer, Task

PUBLIC = Path(__file__).resolve().parents[2] / "shared" / "data"
ROWS = [{"input": f"ball {n}", "target": "odd" if n % 2 else "even"} for n in range(20)]
PYTHON = """
from apo.prompt import Prompt
from apo.scorers import Exact
from apo.task import Example, Task

def rows(name):
    return tuple(Example(f"{name}-{n}", f"{name} {n}", "x") for n in range(3))

def load():
    return Task("py", "Say x.", Prompt("Say x."), Exact(), rows("a"), rows("b"), rows("c"))
"""


def data_file(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A JSONL file with these rows."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def python_file(folder: Path, text: str) -> str:
    """The path of a Python task with this text."""
    path = folder / f"{folder.name.replace('-', '_')}_py.py"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_names_sorted() -> None:
    """The list holds YAML tasks, Python tasks and each variant of a family, sorted."""
    names = task_names()

    assert sorted(names) == names
    assert {"sentiment", "word_sorting", "bbh/snarks"} <= set(names)
    assert not [name for name in names if name.startswith("_")]


def test_descriptions_without_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks are described without running Python, so a broken file cannot stop the list."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "loud.py").write_text('"""Loud.\n\nMore."""\nraise SystemExit(3)\n')
    (tmp_path / "tasks" / "torn.py").write_text("def load(:\n")
    monkeypatch.setenv("APO_PATH", str(tmp_path))
    found = descriptions()

    assert found["loud"] == "Loud."
    assert found["torn"].startswith("(broken: ")


def test_python_task(tmp_path: Path) -> None:
    """A Python task is what its load() returns."""
    task = load_task(python_file(tmp_path, PYTHON))

    assert ("py", Exact()) == (task.name, task.scorer)
    assert task.test[0] == Example("c-0", "c 0", "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def load(:", "fails when imported: SyntaxError"),
        ("import no_such_module", "fails when imported: ModuleNotFoundError.*no_such_module"),
        ("1 / 0", "fails when imported: ZeroDivisionError"),
        ("x = 1", "must define `def load.. -> Task`; it does not"),
        ("load = 3", "must define `def load.. -> Task`"),
        ("def load():\n    return None", "must return a Task, not NoneType"),
        ("def load():\n    raise KeyError('boom')", r"load\(\) fails: KeyError: 'boom' \(.*line 2\)"),
        (PYTHON.replace('rows("c")', 'rows("a")'), "Two rows have the id 'a-0'"),
        (PYTHON.replace('{name} {n}"', 'same"'), "'a-0' and 'b-0' have the same input"),
    ],
    ids=["syntax", "import", "error", "no-load", "not-callable", "no-task", "raises", "same-id", "leak"],
)
def test_python_broken(tmp_path: Path, text: str, message: str) -> None:
    """A broken Python task is refused with its cause."""
    with pytest.raises(ConfigError, match=message):
        load_task(python_file(tmp_path, text))


def test_python_settings_refused(tmp_path: Path) -> None:
    """A Python task takes no settings; they are named."""
    with pytest.raises(ConfigError, match="is Python; max_tokens, dev can only be set in"):
        load_task(python_file(tmp_path, PYTHON), settings={"max_tokens": 3}, sizes={"dev": 2})


def test_python_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in a folder of APO_PATH is a task by name."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "say_x.py").write_text(PYTHON)
    monkeypatch.setenv("APO_PATH", str(tmp_path))

    assert "say_x" in task_names()
    assert load_task("say_x").name == "py"


def test_data_task(tmp_path: Path) -> None:
    """One data file is a task named like it, with a guessed scorer."""
    task = data_task(data_file(tmp_path / "balls.jsonl", ROWS), "input", "target", {}, {"dev": 4})

    assert ("balls", Choice(("even", "odd")), 4) == (task.name, task.scorer, len(task.dev))


def test_data_task_settings(tmp_path: Path) -> None:
    """Settings replace what would be guessed."""
    path = data_file(tmp_path / "balls.jsonl", ROWS)
    task = data_task(path, "input", "target", {"scorer": "f1", "instruction": "Say it."}, {})

    assert (F1(), "Say it.") == (task.scorer, task.seed.instruction)


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        (("text", "target"), {}, "no column 'text'.*Known: input, target"),
        (("input", "label"), {}, "no column 'label'.*Known: input, target"),
        (("input", "target"), {"zzz": 1}, "no setting of a task .*'zzz'"),
        (("input", "target"), {"labels": ["odd"]}, "'even' is not among the labels"),
    ],
    ids=["input", "target", "setting", "labels"],
)
def test_data_task_refused(
    tmp_path: Path, columns: tuple[str, str], settings: dict[str, Any], message: str
) -> None:
    """A wrong column or setting is named, with what exists."""
    path = data_file(tmp_path / "balls.jsonl", ROWS)

    with pytest.raises(ConfigError, match=message):
        data_task(path, *columns, settings, {})


def public_task(folder: Path, **settings: Any) -> str:
    """A task file whose rows come from the hub, unless there is a local copy."""
    path = folder / "mine.yaml"
    columns = {"input": "hub_text", "target": "hub_label"}
    path.write_text(json.dumps({"data": {"hub": "none/such"}, "columns": columns, **settings}))
    return str(path)


def load_copy(folder: Path, **settings: Any) -> Task:
    """The task from the copies in its own folder."""
    return load_task(public_task(folder, **settings), folder)


def test_data_dir(tmp_path: Path) -> None:
    """A local copy is read with the plain columns, whatever the hub calls them."""
    data_file(tmp_path / "mine.train.jsonl", ROWS)
    data_file(tmp_path / "mine.test.jsonl", [{"input": f"new {n}", "target": "odd"} for n in range(3)])
    task = load_copy(tmp_path, target_pattern="(.)$")

    assert sorted(f"new {n}" for n in range(3)) == sorted(row.input for row in task.test)
    assert {"odd", "even"} == {row.target for row in (*task.train, *task.dev)}


def test_data_dir_without_test(tmp_path: Path) -> None:
    """Without a test copy, test rows are dealt from the train copy."""
    data_file(tmp_path / "mine.train.jsonl", ROWS)
    task = load_copy(tmp_path)

    assert len(ROWS) == len(task.train) + len(task.dev) + len(task.test)


def test_data_dir_stem(tmp_path: Path) -> None:
    """`local` names the copy, in a folder below if it says so."""
    (tmp_path / "suite").mkdir()
    data_file(tmp_path / "suite" / "balls.train.jsonl", ROWS)
    task = load_copy(tmp_path, data={"hub": "none/such", "local": "suite/balls"})

    assert len(ROWS) == len(task.train) + len(task.dev) + len(task.test)


def test_data_dir_references(tmp_path: Path) -> None:
    """A copy's references are used; a row without them has its target."""
    rows: list[dict[str, Any]] = [{**row, "references": None} for row in ROWS[1:]]
    data_file(tmp_path / "mine.train.jsonl", [{**ROWS[0], "references": ["even", "0"]}, *rows])
    task = load_copy(tmp_path)
    accepted = {row.input: row.accepted for row in (*task.train, *task.dev, *task.test)}

    assert (("even", "0"), ("odd",)) == (accepted["ball 0"], accepted["ball 1"])


def test_data_dir_missing(tmp_path: Path) -> None:
    """A copy that is not there is named."""
    with pytest.raises(DataError, match=r"no data file .*mine\.train\.jsonl"):
        load_copy(tmp_path)


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="no local copies of public data in ../shared/data")
def test_data_dir_public() -> None:
    """A shipped task reads its public copy; the test rows are those of the test file."""
    task = load_task("bbh/snarks", PUBLIC)
    lines = (PUBLIC / "bbh" / "snarks.test.jsonl").read_text(encoding="utf-8").splitlines()

    assert {row.id for row in task.test} <= {json.loads(line)["id"] for line in lines}


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["yes", "no"], "choice"),
        ([f"{n}.5" for n in range(20)], "numeric"),
        ([f"-{n},000 " for n in range(20)], "numeric"),
        ([f"{n} apples" for n in range(20)], "exact"),
        ([f"word {'x' * n}" for n in range(20)], "exact"),
        ([str(n) for n in range(5)], "choice"),
    ],
    ids=["labels", "decimals", "thousands", "with-unit", "text", "few-numbers"],
)
def test_guess_scorer(targets: list[str], expected: str) -> None:
    """A few repeated labels are choices, numbers are compared as numbers, all else exactly."""
    rows = [Example(str(n), f"in {n}", targets[n % len(targets)]) for n in range(20)]

    assert expected == guess_scorer(rows)


SCORERS: list[tuple[str | dict[str, Any], Scorer]] = [
    ("exact", Exact()),
    ("contains", Contains()),
    ("f1", F1()),
    ("choice", Choice(("even", "odd"))),
    ("auto", Choice(("even", "odd"))),
    ({"choice": {"labels": ["odd", "even"]}}, Choice(("odd", "even"))),
    ({"numeric": {"tolerance": 0.5}}, Numeric(0.5)),
    ({"set_match": {"separators": ";"}}, SetMatch(";")),
]


@pytest.mark.parametrize(("setting", "expected"), SCORERS, ids=lambda value: str(value)[:24])
def test_scorer_setting(tmp_path: Path, setting: str | dict[str, Any], expected: Scorer) -> None:
    """A scorer is named alone or with its options."""
    path = data_file(tmp_path / "balls.jsonl", ROWS)

    assert expected == data_task(path, "input", "target", {"scorer": setting}, {}).scorer
