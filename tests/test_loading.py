"""Loading: from a name, a task file or a data file to a task, or to an error that says what exists."""

import json
from pathlib import Path
from typing import Any

import pytest

from apo.errors import ConfigError, DataError
from apo.loading import load_task
from apo.scorers import F1, Choice
from apo.task import Example, Task

ROWS = [{"input": f"ball {n}", "target": "odd" if n % 2 else "even"} for n in range(20)]


def data_file(folder: Path, rows: list[dict[str, Any]], name: str = "rows.jsonl") -> Path:
    """A JSONL file with these rows."""
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def task_file(folder: Path, text: str, name: str = "mine.yaml") -> str:
    """The path of a YAML file with this text, beside the rows."""
    data_file(folder, ROWS)
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def load(folder: Path, rows: list[dict[str, Any]], **settings: Any) -> Task:
    """A task made of these rows with these settings."""
    data_file(folder, rows)
    whole = {"data": {"path": "rows.jsonl"}, **settings}
    (folder / "mine.yaml").write_text(json.dumps(whole), encoding="utf-8")
    return load_task(str(folder / "mine.yaml"))


def all_rows(task: Task) -> list[Example]:
    """The rows of the three splits together, by id."""
    return sorted((*task.train, *task.dev, *task.test), key=lambda row: int(row.id.split("-")[-1]))


def plain(count: int) -> list[dict[str, Any]]:
    """Rows whose inputs and targets all differ."""
    return [{"input": f"in {n}", "target": f"out {n}"} for n in range(count)]


def test_yaml_by_path(tmp_path: Path) -> None:
    """A task file is loaded by its path; its data lie beside it."""
    path = task_file(
        tmp_path, "{description: Odd., instruction: Say it., data: {path: rows.jsonl}, max_tokens: 5}"
    )
    task = load_task(path)

    assert (task.name, task.description, task.seed.instruction) == ("mine", "Odd.", "Say it.")
    assert task.decoding.max_tokens == 5
    assert len(all_rows(task)) == len(ROWS)


def test_family_by_path(tmp_path: Path) -> None:
    """One task of a family file is its path with the variant behind it."""
    path = task_file(tmp_path, "data: {path: rows.jsonl}\nvariants: {a: {max_tokens: 3}, b: {}}\n")
    task = load_task(f"{path}/a")

    assert ("mine/a", 3) == (task.name, task.decoding.max_tokens)


@pytest.mark.parametrize("variant", ["", "/c"], ids=["none", "unknown"])
def test_family_unknown_variant(tmp_path: Path, variant: str) -> None:
    """A family without, or with an unknown, variant lists those it holds."""
    path = task_file(tmp_path, "data: {path: rows.jsonl}\nvariants: {a: {}, b: {}}\n")

    with pytest.raises(ConfigError, match="Known: mine/a, mine/b"):
        load_task(path + variant)


@pytest.mark.parametrize("name", ["sentimnt", "", "../sentiment", "_generate"])
def test_unknown_task(name: str) -> None:
    """An unknown name says what lists the tasks there are, some sixty."""
    with pytest.raises(ConfigError, match=r"There is no task .*Known tasks: apo tasks\.$"):
        load_task(name)


@pytest.mark.parametrize("name", ["bbh", "bbh/none"])
def test_unknown_task_of_a_family(name: str) -> None:
    """An unknown name within a family lists the family's."""
    with pytest.raises(ConfigError, match=r"There is no task .*Known: .*bbh/snarks"):
        load_task(name)


def test_unknown_task_nearest() -> None:
    """A misspelt name is answered with the nearest right one."""
    with pytest.raises(ConfigError, match="Did you mean 'sentiment'"):
        load_task("sentimnt")


@pytest.mark.parametrize("name", ["rows.csv", "some/rows.jsonl"])
def test_data_file_as_task(name: str) -> None:
    """Who gives a data file for a task is told the option."""
    with pytest.raises(ConfigError, match=r"rows\..* is a data file, not a task; --data"):
        load_task(name)


@pytest.mark.parametrize("name", ["none.yaml", "none.py", "none.yaml/a"])
def test_missing_task_file(name: str) -> None:
    """A path to no file says so."""
    with pytest.raises(ConfigError, match="There is no task file 'none"):
        load_task(name)


def test_no_source(tmp_path: Path) -> None:
    """A task without data says how to bring some."""
    with pytest.raises(ConfigError, match=r"neither data\.path nor data\.hub.*--data-dir"):
        load_task(task_file(tmp_path, "instruction: Sort.\n"))


def test_settings_replace(tmp_path: Path) -> None:
    """Settings given by the caller replace the file's own."""
    path = task_file(tmp_path, "{data: {path: rows.jsonl}, max_tokens: 5, scorer: exact}")
    task = load_task(path, settings={"max_tokens": 7, "scorer": "f1"})

    assert (7, F1()) == (task.decoding.max_tokens, task.scorer)


def test_sizes_replace(tmp_path: Path) -> None:
    """Split sizes given by the caller replace the file's own, one by one."""
    path = task_file(tmp_path, "{data: {path: rows.jsonl}, splits: {dev: 5, test: 5}}")
    task = load_task(path, sizes={"dev": 3, "train": 4})

    assert [4, 3, 5] == [len(task.train), len(task.dev), len(task.test)]


def test_sizes_refused(tmp_path: Path) -> None:
    """A size that the rows do not allow is refused."""
    path = task_file(tmp_path, "{data: {path: rows.jsonl}}")

    with pytest.raises(DataError, match="dev split must have between 1 and 19"):
        load_task(path, sizes={"dev": 20})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": {"input": "text"}}, "There is no column 'text'.*Known: input, target"),
        ({"columns": {"target": "label"}}, "There is no column 'label'. Known: input, target"),
        ({"labels": ["odd", "evn"]}, r"the target 'even' is not among the labels \(odd, evn\)"),
        ({"scorer": "exactly"}, "no scorer 'exactly'. Did you mean 'exact'. Known: choice, contains, exact"),
        ({"scorer": {"numeric": {"tolerance": "wide"}}}, "Scorer 'numeric'.*tolerance"),
        ({"scorer": {"set_match": {"separators": ""}}}, "Scorer 'set_match'.*at least one character"),
        ({"scorer": {"exact": {}, "f1": {}}}, "must name one scorer, not 2: exact, f1"),
        ({"instructions": "x"}, "no setting of a task .*'instructions'. Did you mean 'instruction'"),
        ({"constrained": True}, "`constrained` needs `labels`"),
        ({"data": {"path": "none.jsonl"}}, "no data file .*none.jsonl"),
        ({"data": {"path": "rows.jsonl", "test_path": "none.jsonl"}}, "no data file .*none.jsonl"),
    ],
    ids=[
        "input-column",
        "target-column",
        "label",
        "scorer",
        "option",
        "option-value",
        "two-scorers",
        "setting",
        "constrained",
        "path",
        "test-path",
    ],
)
def test_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    """What does not exist is named, with what does."""
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, ROWS, **settings)


@pytest.mark.parametrize("target", ["", "  ", None], ids=["empty", "space", "null"])
@pytest.mark.parametrize("column", ["input", "target"])
def test_empty_cell(tmp_path: Path, column: str, target: str | None) -> None:
    """A row with nothing to ask or to answer is named."""
    rows = plain(9)
    rows[3][column] = target

    with pytest.raises(DataError, match=f"^Row 4 has nothing in column '{column}'"):
        load(tmp_path, rows)


def test_empty_list_cell(tmp_path: Path) -> None:
    """An empty list is nothing, too."""
    rows: list[dict[str, Any]] = [{"input": f"in {n}", "target": ["out"] if n else []} for n in range(9)]

    with pytest.raises(DataError, match=r"^Row 1 has nothing in column 'target'"):
        load(tmp_path, rows)


def test_duplicates_refused(tmp_path: Path) -> None:
    """One input in two splits is refused by default."""
    with pytest.raises(DataError, match="have the same input"):
        load(tmp_path, [*plain(20), *plain(20)])


def test_duplicates_dropped(tmp_path: Path) -> None:
    """With `drop`, the first of each input stays."""
    again = [{"input": f" in  {n}", "target": "again"} for n in range(20)]
    task = load(tmp_path, [*plain(20), *again], duplicates="drop")

    assert [f"out {n}" for n in range(20)] == [row.target for row in all_rows(task)]


def test_duplicates_dropped_from_train(tmp_path: Path) -> None:
    """An input that stands in the test file leaves the other rows, so the test stays whole."""
    data_file(tmp_path, plain(5), "test.jsonl")
    source = {"path": "rows.jsonl", "test_path": "test.jsonl"}
    task = load(tmp_path, plain(20), duplicates="drop", data=source)

    assert sorted(f"in {n}" for n in range(5)) == sorted(row.input for row in task.test)
    assert 15 == len(task.train) + len(task.dev)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [(r"#### (\S+)", "7"), (r"(\d+) no such", "Seven. #### 7"), (r"^(\w+)", "Seven")],
    ids=["found", "absent", "start"],
)
def test_target_pattern(tmp_path: Path, pattern: str, expected: str) -> None:
    """The answer is the pattern's group; a target without it stays whole."""
    rows = [{"input": f"in {n}", "target": "Seven. #### 7"} for n in range(9)]

    assert {expected} == {row.target for row in all_rows(load(tmp_path, rows, target_pattern=pattern))}


def test_label_mapping(tmp_path: Path) -> None:
    """A mapping renames what the data say, and its values are the labels."""
    rows = [{"input": f"in {n}", "target": n % 2} for n in range(12)]
    task = load(tmp_path, rows, labels={"0": "even", "1": "odd"}, scorer="choice", constrained=True)

    assert ["even", "odd"] * 6 == [row.target for row in all_rows(task)]
    assert Choice(("even", "odd")) == task.scorer
    assert task.decoding.choices == ("even", "odd")


def test_input_columns_joined(tmp_path: Path) -> None:
    """Several input columns are joined by line breaks, lists within them too."""
    rows = [{"q": f"Which, {n}?", "options": ["A)1", "B)2"], "target": "A"} for n in range(9)]
    task = load(tmp_path, rows, columns={"input": ["q", "options"]})

    assert all_rows(task)[0].input == "Which, 0?\nA)1\nB)2"


def test_references(tmp_path: Path) -> None:
    """All references count as right."""
    rows = [{**row, "accepted": ["x", " y ", "7"]} for row in plain(9)]
    task = load(tmp_path, rows, columns={"references": "accepted"})

    assert {("x", "y", "7")} == {row.accepted for row in all_rows(task)}


def test_ids_kept(tmp_path: Path) -> None:
    """Ids of the data are kept where they tell all rows apart."""
    rows = [{**row, "id": f"own-{n}"} for n, row in enumerate(plain(9))]

    assert [f"own-{n}" for n in range(9)] == [row.id for row in all_rows(load(tmp_path, rows))]


@pytest.mark.parametrize("first", ["own-1", None, ""], ids=["repeated", "null", "empty"])
def test_ids_numbered(tmp_path: Path, first: str | None) -> None:
    """Rows are numbered if an id is repeated or missing."""
    rows = [{**row, "id": f"own-{n}" if n else first} for n, row in enumerate(plain(9))]

    assert [f"row-{n}" for n in range(1, 10)] == [row.id for row in all_rows(load(tmp_path, rows))]


def test_ids_clash(tmp_path: Path) -> None:
    """One id in both files is refused."""
    rows = [{**row, "id": str(n)} for n, row in enumerate(plain(9))]
    data_file(tmp_path, [{"input": "x", "target": "y", "id": "3"}], "test.jsonl")

    with pytest.raises(DataError, match="Two rows have the id '3'"):
        load(tmp_path, rows, data={"path": "rows.jsonl", "test_path": "test.jsonl"})
