"""Data files: rows as they are written, and errors that name the file and the line."""

import json
from pathlib import Path
from typing import Any

import pytest

from apo.data import Row, read_file

PUBLIC = Path(__file__).resolve().parents[2] / "shared" / "data"
CAT: Row = {"input": "a cat", "target": "animal"}
CUP: Row = {"input": "a cup", "target": "thing"}
CSV = "input,target\na cat,animal\na cup,thing\n"


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(*rows: Any) -> str:
    """JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def table(*rows: str, header: str = "input,target") -> str:
    """CSV text below a header."""
    return "\n".join([header, *rows, ""])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", lines(CAT, CUP)),
        ("rows.JSONL", lines(CAT, CUP)),
        ("rows.jsonl", lines(CAT, CUP).rstrip("\n")),
        ("rows.jsonl", lines(CAT) + "\n   \n" + lines(CUP)),
        ("rows.jsonl", lines(CAT, CUP).replace("\n", "\r\n")),
        ("rows.json", json.dumps([CAT, CUP])),
        ("rows.json", json.dumps([CAT, CUP], indent=2)),
        ("rows.csv", CSV),
        ("rows.csv", CSV.replace("\n", "\r\n")),
        ("rows.csv", "\N{ZERO WIDTH NO-BREAK SPACE}" + CSV),
        ("rows.csv", CSV.replace("a cup", "\na cup")),
        ("rows.tsv", CSV.replace(",", "\t")),
    ],
    ids=[
        "jsonl",
        "upper-case-suffix",
        "no-last-line-end",
        "blank-lines",
        "jsonl-crlf",
        "json",
        "json-indented",
        "csv",
        "csv-crlf",
        "csv-bom",
        "csv-blank-line",
        "tsv",
    ],
)
def test_read(tmp_path: Path, name: str, content: str) -> None:
    """Every format gives the same rows."""
    assert [CAT, CUP] == read_file(written(tmp_path, name, content))


def test_read_parquet(tmp_path: Path) -> None:
    """Parquet keeps its rows and their types."""
    from datasets import Dataset

    rows = [{**CAT, "n": 7}, {**CUP, "n": 8}]
    Dataset.from_list(rows).to_parquet(tmp_path / "rows.parquet")

    assert rows == read_file(tmp_path / "rows.parquet")


def test_read_parquet_class_names(tmp_path: Path) -> None:
    """Class numbers that carry names are read as the names."""
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"input": Value("string"), "target": ClassLabel(names=["animal", "thing"])})
    numbered = Dataset.from_list([{**CAT, "target": 0}, {**CUP, "target": 1}], features=features)
    numbered.to_parquet(tmp_path / "rows.parquet")

    assert [CAT, CUP] == read_file(tmp_path / "rows.parquet")


def test_read_one_row(tmp_path: Path) -> None:
    """One row is a file like any other."""
    assert [CAT] == read_file(written(tmp_path, "rows.jsonl", lines(CAT)))


CELLS = (
    "007",
    "NA",
    "1.0",
    "true",
    "null",
    "nan",
    "None",
    "-",
    "2020-01-31",
    "1e5",
    "0x1F",
    " padded ",
    "''",
)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_cells_stay_text(tmp_path: Path, suffix: str, cell: str) -> None:
    """A cell is the text that was written, whatever it looks like."""
    separator = "," if suffix == "csv" else "\t"
    content = f"input{separator}target\n{cell}{separator}{cell}\n"

    assert [{"input": cell, "target": cell}] == read_file(written(tmp_path, f"rows.{suffix}", content))


def test_all_cells_together(tmp_path: Path) -> None:
    """A column's cells do not change each other."""
    content = table(*(f"{cell},x" for cell in CELLS))

    assert list(CELLS) == [row["input"] for row in read_file(written(tmp_path, "rows.csv", content))]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('"one\ntwo"', "one\ntwo"),
        ('"one\n\n,two"', "one\n\n,two"),
        ('"say ""hi"""', 'say "hi"'),
        ('""', ""),
        ("\N{ROCKET}\N{RIGHT-TO-LEFT OVERRIDE}é", "\N{ROCKET}\N{RIGHT-TO-LEFT OVERRIDE}é"),
    ],
    ids=["newline", "blank-line-and-comma", "quotes", "empty", "unicode"],
)
def test_quoted_cells(tmp_path: Path, cell: str, expected: str) -> None:
    """Quotes protect separators, line ends and quotes."""
    content = table(f"{cell},x", "next,y")

    assert [{"input": expected, "target": "x"}, {"input": "next", "target": "y"}] == read_file(
        written(tmp_path, "rows.csv", content)
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, "7"),
        (10**30, str(10**30)),
        (0.5, "0.5"),
        (True, "True"),
        (None, None),
        (["a", 2], ["a", "2"]),
        ("007", "007"),
        ("NA", "NA"),
        ("2020-01-02", "2020-01-02"),
        ("2020-01-02T10:00:00", "2020-01-02T10:00:00"),
        ("\N{ROCKET}\n\x00", "\N{ROCKET}\n\x00"),
    ],
    ids=["int", "big", "float", "bool", "null", "list", "digits", "na", "date", "time", "hostile"],
)
def test_json_values_as_written(tmp_path: Path, value: Any, expected: Any) -> None:
    """JSON values become text as written; missing ones and lists stay what they are."""
    row, read = {"input": "a cat", "target": value}, {"input": "a cat", "target": expected}

    assert [read, read] == read_file(written(tmp_path, "rows.jsonl", lines(row, row)))


def test_json_missing_keys(tmp_path: Path) -> None:
    """A row that lacks a key has nothing there."""
    path = written(tmp_path, "rows.jsonl", lines(CAT, {"input": "a cup"}))

    assert {"input": "a cup", "target": None} == read_file(path)[1]


def test_changed_file_read_again(tmp_path: Path) -> None:
    """A file that changed between two reads is not answered from a cache."""
    path = written(tmp_path, "rows.jsonl", lines(CAT))
    read_file(path)
    path.write_text(lines(CUP))

    assert [CUP] == read_file(path)


def test_nothing_left_behind(tmp_path: Path) -> None:
    """Reading leaves no other file beside the data."""
    path = written(tmp_path, "rows.csv", CSV)
    read_file(path)

    assert [path] == list(tmp_path.iterdir())


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="no local copies of public data in ../shared/data")
def test_public_copy() -> None:
    """A public copy has as many rows as lines, each with input and target."""
    path = next(iter(sorted(PUBLIC.rglob("*.train.jsonl"))))
    rows = read_file(path)

    assert len(path.read_text(encoding="utf-8").splitlines()) == len(rows)
    assert all({"input", "target"} <= row.keys() for row in rows)
