"""From rows of data to examples: columns, labels, ids."""

import re

from apo.data import Row
from apo.errors import DataError, unknown
from apo.task import Example
from apo.taskfile import TaskFile, label_text, missing


def to_examples(rows: list[Row], spec: TaskFile, kind: str) -> list[Example]:
    """Rows of data as examples; `kind` is what a row is called in messages.

    Raises:
        DataError: a row lacks a column or a value, or its target is no label.
    """
    # Ids of the data are kept where they tell rows apart.
    ids = ["" if row.get("id") is None else str(row["id"]) for row in rows]
    if not all(ids) or len(set(ids)) < len(ids):
        ids = [f"{kind.replace(' ', '-')}-{number}" for number in range(1, len(rows) + 1)]
    return [
        _example(f"{kind} {number}", id_, row, spec)
        for number, (id_, row) in enumerate(zip(ids, rows, strict=True), 1)
    ]


def _example(where: str, id_: str, row: Row, spec: TaskFile) -> Example:
    columns = spec.columns
    inputs = (columns.input,) if isinstance(columns.input, str) else columns.input
    text = "\n".join(_cell(row, column, where) for column in inputs)
    target = _cell(row, columns.target, where)
    if spec.target_pattern is not None and (found := re.search(spec.target_pattern, target)):
        target = found.group(1)
    if isinstance(spec.labels, dict):
        target = spec.labels.get(target, target)
    labels = label_names(spec)
    if labels and target not in labels:
        raise DataError(
            f"{where.capitalize()}: the target {target!r} is not among the labels "
            f"({', '.join(labels)}). Correct the row or the labels."
        )
    accepted = _references(row, columns.references)
    return Example(id_, text, target, accepted)


def _references(row: Row, column: str | None) -> tuple[str, ...]:
    """All accepted answers of a row: a list, or a single one."""
    if column is None:
        return ()
    if column not in row:
        raise unknown("column", column, row)
    value = row[column]
    several = value if isinstance(value, list) else [value]
    return tuple(label_text(r).strip() for r in several if not missing(r) and label_text(r).strip())


def _cell(row: Row, column: str, where: str) -> str:
    if column not in row:
        raise unknown("column", column, row)
    value = row[column]
    parts = value if isinstance(value, list) else [value]
    text = "\n".join(label_text(p) for p in parts if not missing(p)).strip()
    if not text:
        raise DataError(f"{where.capitalize()} has nothing in column {column!r}. Fill it in.")
    return text


def distinct(examples: list[Example], seen: set[str]) -> list[Example]:
    """The first of each input that is not in `seen`, which grows."""
    kept = []
    for example in examples:
        if example.plain_input not in seen:
            seen.add(example.plain_input)
            kept.append(example)
    return kept


def label_names(spec: TaskFile) -> tuple[str, ...]:
    """The answers of a closed task, each once."""
    labels = spec.labels.values() if isinstance(spec.labels, dict) else spec.labels or ()
    return tuple(dict.fromkeys(labels))
