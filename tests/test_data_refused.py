"""Data files that cannot be read as asked: one message each, naming the file and the line."""

from pathlib import Path

import pytest

from apo.data import read_file
from apo.errors import DataError
from tests.test_data import CAT, CSV, CUP, lines, table, written


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", lines(CAT) + "{broken\n" + lines(CUP), "rows.jsonl, line 2: not JSON"),
        ("rows.jsonl", lines(CAT) + "\n\n" + '{"input": "a c', "rows.jsonl, line 4: not JSON"),
        ("rows.jsonl", lines(CAT, [1, 2]), "rows.jsonl, line 2: must be a JSON object, not list"),
        ("rows.jsonl", lines("text"), "rows.jsonl, line 1: must be a JSON object, not str"),
        ("rows.jsonl", lines(CAT, None), "rows.jsonl, line 2: must be a JSON object, not NoneType"),
        ("rows.json", '{"input": "a"}', "rows.json must hold a list of objects"),
        ("rows.json", "[1, 2]", "rows.json must hold a list of objects"),
        ("rows.json", "[1, ", "rows.json is not JSON"),
        ("rows.json", "", "rows.json is not JSON"),
        ("rows.csv", "", "rows.csv is empty; its first line must name the columns"),
        ("rows.csv", "\n\n", "rows.csv is empty"),
        ("rows.csv", table("a,b,c"), "rows.csv, line 2: 3 cells where the header has 2. Quote cells"),
        ("rows.csv", table("a,b", "a"), "rows.csv, line 3: 1 cells where the header has 2"),
        ("rows.csv", table('"a\nb",c', "d"), "rows.csv, line 4: 1 cells where the header has 2"),
        ("rows.csv", table("a,b,c", header="x,y,x"), "two columns have the same name"),
        ("rows.tsv", "a\tb\n1\t2\t3\n", r"rows.tsv, line 2: 3 cells .* contain '\\t'"),
        ("rows.parquet", "PAR1 but not really", "rows.parquet cannot be read: .*[Pp]arquet"),
    ],
    ids=[
        "broken-line",
        "torn-last-line",
        "list-line",
        "text-line",
        "null-line",
        "json-object",
        "json-numbers",
        "json-torn",
        "json-empty",
        "csv-empty",
        "csv-blank",
        "csv-ragged-more",
        "csv-ragged-fewer",
        "csv-ragged-after-quoted",
        "csv-same-columns",
        "tsv-ragged",
        "parquet-broken",
    ],
)
def test_broken(tmp_path: Path, name: str, content: str, message: str) -> None:
    """A broken file is refused with its name and, where there are lines, the line."""
    with pytest.raises(DataError, match=message):
        read_file(written(tmp_path, name, content))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", ""),
        ("rows.jsonl", "\n\n"),
        ("rows.json", "[]"),
        ("rows.csv", "input,target\n"),
        ("rows.tsv", "input\ttarget"),
    ],
    ids=["jsonl", "jsonl-blank", "json", "csv-header", "tsv-header"],
)
def test_no_rows(tmp_path: Path, name: str, content: str) -> None:
    """A file without rows is refused by name."""
    with pytest.raises(DataError, match=f"^{name} "):
        read_file(written(tmp_path, name, content))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", b'{"input": "caf\xe9"}\n'),
        ("rows.json", b'[{"input": "caf\xe9"}]'),
        ("rows.csv", b"input\ncaf\xe9\n"),
        ("rows.csv", CSV.encode("utf-16")),
    ],
    ids=["jsonl", "json", "csv", "utf-16"],
)
def test_not_utf8(tmp_path: Path, name: str, content: bytes) -> None:
    """Bytes that are not UTF-8 are refused, never guessed."""
    with pytest.raises(DataError, match=f"^{name} is not UTF-8: it holds the byte 0x(e9|ff)"):
        read_file(written(tmp_path, name, content))


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is named with its whole path."""
    with pytest.raises(DataError, match=f"no data file '{tmp_path}/none.csv'"):
        read_file(tmp_path / "none.csv")


def test_folder(tmp_path: Path) -> None:
    """A folder is not a data file."""
    with pytest.raises(DataError, match="no data file"):
        read_file(tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [("rows.xlsx", ".xlsx is not"), ("rows", "no suffix is not"), ("rows.txt", ".txt is not")],
    ids=["xlsx", "none", "txt"],
)
def test_unknown_suffix(tmp_path: Path, name: str, said: str) -> None:
    """An unknown format lists the known ones."""
    with pytest.raises(DataError, match=rf"{said} a known format; use one of \.jsonl, .*\.parquet"):
        read_file(written(tmp_path, name, CSV))


def test_refused_by_size(tmp_path: Path) -> None:
    """A file of two gigabytes is refused before it is read, with what to do."""
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.write(b"input,target\n")
        file.truncate(2_000_000_000)  # a hole: it takes no room

    with pytest.raises(DataError, match=r"huge.csv has 2.00 GB; at most 256 MB .* Take a sample"):
        read_file(path)
