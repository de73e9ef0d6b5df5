"""Rows from files and hubs, read through `datasets`, with errors that name the file and the line."""

import csv
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apo.errors import ConfigError, DataError

Row = dict[str, Any]
FORMATS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}


def read_file(path: Path) -> list[Row]:
    """The rows of one JSONL, JSON (a list of objects), CSV, TSV or Parquet file.

    CSV cells stay text as written; nothing is read as a number or as missing.

    Raises:
        DataError: missing, unreadable, not UTF-8, empty, or a broken line, named by its number.
    """
    if not path.is_file():
        raise DataError(f"There is no data file {str(path)!r}. Give the path of an existing file.")
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise DataError(
            f"{path.name}: {suffix or 'no suffix'} is not a known format; use one of {', '.join(FORMATS)}."
        )
    options = _check(path, suffix)
    rows = _load(path, FORMATS[suffix], options)
    if not rows:
        raise DataError(f"{path.name} has no rows. Add rows, one example each.")
    return rows


def _check(path: Path, suffix: str) -> dict[str, Any]:
    """Find broken text before `datasets` does, to name the line; the options to load it with."""
    if suffix == ".parquet":
        return {}
    try:
        if suffix == ".jsonl":
            _check_jsonl(path)
            return {}
        if suffix == ".json":
            _check_json(path)
            return {}
        return _csv_options(path, "\t" if suffix == ".tsv" else ",")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name} is not UTF-8: byte {error.object[error.start]:#04x} at offset "
            f"{error.start} of a block. Save the file as UTF-8."
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def _check_jsonl(path: Path) -> None:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path.name}, line {number}: not JSON ({error}).") from error
            if not isinstance(row, dict):
                raise DataError(
                    f"{path.name}, line {number}: must be a JSON object, not {type(row).__name__}."
                )


def _check_json(path: Path) -> None:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise DataError(f"{path.name} is not JSON: {error}.") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path.name} must hold a list of objects, one for each row.")


def _csv_options(path: Path, separator: str) -> dict[str, Any]:
    from datasets import Features, Value

    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        header = next(reader, None)
        if not header:
            raise DataError(f"{path.name} is empty; its first line must name the columns.")
        if len(set(header)) != len(header):
            raise DataError(f"{path.name}: two columns have the same name; rename one.")
        rows = 0
        for row in reader:
            rows += bool(row)
            if row and len(row) != len(header):
                raise DataError(
                    f"{path.name}, line {reader.line_num}: {len(row)} cells where the header "
                    f"has {len(header)}. Quote cells that contain {separator!r}."
                )
        if rows == 0:
            raise DataError(f"{path.name} has no rows below its header. Add rows, one example each.")
    return {
        "features": Features({name: Value("string") for name in header}),
        "sep": separator,
        "keep_default_na": False,
        "encoding": "utf-8-sig",
    }


def _load(path: Path, kind: str, options: dict[str, Any]) -> list[Row]:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    # A copy of the user's data is not left behind in a cache.
    with tempfile.TemporaryDirectory(prefix="apo-data-") as cache:
        try:
            loaded = load_dataset(
                kind,
                data_files=str(path),
                split="train",
                cache_dir=cache,
                keep_in_memory=True,
                **options,
            )
        except Exception as error:  # the library wraps every parser's own error
            cause = error.__cause__ or error
            raise DataError(f"{path.name} cannot be read: {cause}") from error
        return list(_named(loaded))


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
