"""Task files: what a YAML file may say, and errors that name what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from apo.errors import ConfigError
from apo.task import Sizes
from apo.taskfile import Columns, TaskFile, check, label_text, parse


def written(folder: Path, text: str | bytes, name: str = "mine.yaml") -> Path:
    """A task file with this content."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_parse_single(tmp_path: Path) -> None:
    """A file without variants is one task named like the file."""
    path = written(tmp_path, "instruction: Sort.\nmax_tokens: 9\n")

    assert {"mine": {"instruction": "Sort.", "max_tokens": 9}} == parse(path)


def test_parse_family(tmp_path: Path) -> None:
    """Variants are tasks whose settings replace the file's own."""
    path = written(
        tmp_path, "max_tokens: 9\nscorer: exact\nvariants:\n  a: {max_tokens: 5}\n  b:\n  7: {scorer: f1}\n"
    )

    assert {
        "mine/a": {"max_tokens": 5, "scorer": "exact"},
        "mine/b": {"max_tokens": 9, "scorer": "exact"},
        "mine/7": {"max_tokens": 9, "scorer": "f1"},
    } == parse(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a mapping"),
        ("- a\n- b\n", "must be a mapping"),
        ("just words", "must be a mapping"),
        ("a: [1, 2", "cannot be read"),
        ("a: b: c", "cannot be read"),
        (b"a: \xff", "cannot be read"),
        ("variants: [a, b]", "`variants` must map each name"),
        ("variants: 3", "`variants` must map each name"),
    ],
    ids=["empty", "list", "text", "open", "colons", "not-utf-8", "variants-list", "variants-number"],
)
def test_parse_broken(tmp_path: Path, text: str | bytes, message: str) -> None:
    """A file that is no mapping is refused by name."""
    with pytest.raises(ConfigError, match=rf"mine\.yaml.*{message}"):
        parse(written(tmp_path, text))


def test_parse_missing(tmp_path: Path) -> None:
    """A file that is not there is an error of the request, not a crash."""
    with pytest.raises(ConfigError, match="cannot be read"):
        parse(tmp_path / "none.yaml")


def test_parse_no_code(tmp_path: Path) -> None:
    """A tag that would run code is refused."""
    path = written(tmp_path, "instruction: !!python/object/apply:os.getcwd []\n")

    with pytest.raises(ConfigError, match="cannot be read"):
        parse(path)


def test_check_defaults() -> None:
    """An empty file asks for the defaults."""
    assert TaskFile() == check("mine", {})


def test_check_values() -> None:
    """Nested settings become their types."""
    task = check("mine", {"splits": {"dev": 5}, "columns": {"input": ["a", "b"]}, "layout": {"form": "flat"}})

    assert Sizes(dev=5) == task.splits
    assert Columns(input=("a", "b")) == task.columns
    assert task.layout.form == "flat"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"instrution": "x"}, "'instrution'. Did you mean 'instruction'"),
        ({7: "x"}, "no setting of a task .in 'mine'. '7'"),
        ({"data": {"file": "x"}}, "unknown field `file`"),
        ({"columns": {"inputs": "x"}}, "unknown field `inputs`"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"duplicates": "keep"}, "duplicates"),
        ({"layout": {"form": "table"}}, "form"),
        ({"labels": 3}, "labels"),
        ({"splits": [1, 2]}, "splits"),
        ({"constrained": "maybe"}, "constrained"),
        ({"target_pattern": "("}, "target_pattern is no pattern"),
        ({"target_pattern": "a"}, "needs one group, has 0"),
        ({"target_pattern": "(a)(b)"}, "needs one group, has 2"),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else "",
)
def test_check_refused(settings: dict[Any, Any], message: str) -> None:
    """A wrong setting is refused with its name, the task's name and what would be right."""
    with pytest.raises(ConfigError, match=message) as caught:
        check("mine", settings)

    assert "'mine'" in str(caught.value)


def test_check_unknown_lists_settings() -> None:
    """An unknown setting lists those that exist."""
    with pytest.raises(ConfigError, match=r"Known: columns, constrained, data, .*target_pattern"):
        check("mine", {"zzz": 1})


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["a", "b"], ("a", "b")),
        ([1, 2.0, 2.5], ("1", "2", "2.5")),
        ([True, False], ("True", "False")),
        ({0: "negative", 1: "positive"}, {"0": "negative", "1": "positive"}),
        ({"x": 1}, {"x": "1"}),
    ],
    ids=["text", "numbers", "booleans", "mapping", "mapped-number"],
)
def test_labels_become_text(labels: Any, expected: Any) -> None:
    """Labels that YAML read as other things are text again."""
    assert expected == check("mine", {"labels": labels}).labels


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (72.0, "72"),
        (-3.0, "-3"),
        (0.5, "0.5"),
        (72, "72"),
        (True, "True"),
        ("72.0", "72.0"),
        (1e30, str(10**30)),
        (float("inf"), "inf"),
    ],
    ids=str,
)
def test_label_text(value: object, expected: str) -> None:
    """Whole numbers lose their point; text stays as it is."""
    if value == 1e30:
        expected = str(int(1e30))

    assert expected == label_text(value)
