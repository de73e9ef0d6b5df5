"""Rows from files and hubs, read through `datasets`, with errors that name the file and the line.

Text files are parsed here line by line, since only then an error can say where; cells become text as
written (`007`, `NA` and `2020-01-02` stay what they are) before `datasets` gives them their types.
"""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apo.errors import ConfigError, DataError
from apo.taskfile import label_text, missing

Row = dict[str, Any]
FORMATS = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
MOST_BYTES = 256 * 1024 * 1024
"""Of a data file: a search uses a few hundred rows, and all of a file is held in memory."""


def read_file(path: Path) -> list[Row]:
    """The rows of one JSONL, JSON (a list of objects), CSV, TSV or Parquet file.

    Raises:
        DataError: missing, unreadable, too large, not UTF-8, empty, or a broken line, named by its number.
    """
    if not path.is_file():
        raise DataError(f"There is no data file {str(path)!r}. Give the path of an existing file.")
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise DataError(
            f"{path.name}: {suffix or 'no suffix'} is not a known format; use one of {', '.join(FORMATS)}."
        )
    if (size := path.stat().st_size) > MOST_BYTES:
        raise DataError(
            f"{path.name} has {size / 1e9:.2f} GB; at most {MOST_BYTES >> 20} MB are read, since a search "
            "uses a few hundred rows. Take a sample: a few thousand rows, drawn at random."
        )
    try:
        rows = _parquet(path) if suffix == ".parquet" else _text(path, suffix)
    except UnicodeDecodeError as error:
        found = error.object[error.start]
        raise DataError(
            f"{path.name} is not UTF-8: it holds the byte {found:#04x}. Save it as UTF-8."
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not rows:
        raise DataError(f"{path.name} has no rows. Add rows, one example each.")
    return rows


def _text(path: Path, suffix: str) -> list[Row]:
    from datasets import Dataset

    with path.open(encoding="utf-8-sig", newline="") as file:
        if suffix == ".jsonl":
            rows = list(_jsonl(path.name, file))
        elif suffix == ".json":
            rows = _json(path.name, file.read())
        else:
            rows = list(_csv(path.name, file, "\t" if suffix == ".tsv" else ","))
    return list(Dataset.from_list([{k: _plain(v) for k, v in row.items()} for row in rows])) if rows else []


def _jsonl(name: str, lines: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name}, line {number}: not JSON ({error}).") from error
        if not isinstance(row, dict):
            raise DataError(f"{name}, line {number}: must be a JSON object, not {type(row).__name__}.")
        yield row


def _json(name: str, text: str) -> list[Row]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not JSON: {error}.") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{name} must hold a list of objects, one for each row.")
    return rows


def _csv(name: str, file: Iterator[str], separator: str) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(file, delimiter=separator)
    header = next(reader, None)
    if not header:
        raise DataError(f"{name} is empty; its first line must name the columns.")
    if len(set(header)) != len(header):
        raise DataError(f"{name}: two columns have the same name; rename one.")
    try:
        for row in reader:
            if row and len(row) != len(header):
                raise DataError(
                    f"{name}, line {reader.line_num}: {len(row)} cells where the header has {len(header)}. "
                    f"Quote cells that contain {separator!r}."
                )
            if row:
                yield dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: {error}.") from error


def _plain(value: Any) -> str | list[str] | None:
    """A cell as text, or a list of texts, so that a column has one type whatever its rows hold."""
    if missing(value):
        return None
    if isinstance(value, list):
        return [str(_plain(item)) for item in value if item is not None]
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else label_text(value)


def _parquet(path: Path) -> list[Row]:
    import pyarrow
    import pyarrow.parquet
    from datasets import Dataset

    try:
        return list(_named(Dataset(pyarrow.parquet.read_table(path))))
    except (pyarrow.ArrowInvalid, ValueError) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error


def read_hub(hub: str, config: str | None, split: str) -> list[Row]:
    """The rows of one split of a data set on the Hugging Face hub.

    Raises:
        ConfigError: the data set cannot be fetched; the message says how to use a local copy.
    """
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    try:
        loaded = load_dataset(hub, config, split=split)
    except Exception as error:  # network, hub and parser errors have no common base
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"The data set {hub!r} (split {split!r}) cannot be fetched: {first.rstrip('. ')}. "
            "Check the network, or give a local copy with --data-dir."
        ) from error
    return list(_named(loaded))


def _named(loaded: Any) -> Iterator[Row]:
    """Rows with class labels as their names."""
    from datasets import ClassLabel

    classes = {n: f for n, f in loaded.features.items() if isinstance(f, ClassLabel)}
    for row in loaded:
        for name, feature in classes.items():
            if isinstance(row[name], int) and row[name] >= 0:
                row[name] = feature.int2str(row[name])
        yield row
