"""What a task's YAML file may say, and reading it.

A file describes one task, or a family: with `variants`, each entry is a task named
`<file>/<variant>` whose settings replace the file's own.
"""

import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from apo.errors import ConfigError, unknown
from apo.prompt import Layout
from apo.task import Sizes


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the rows come from: a file, or a data set on the hub; `--data-dir` prefers `local`."""

    path: str | None = None
    """A data file, relative to the task file."""
    test_path: str | None = None
    """A second file, all of whose rows are the test split."""
    hub: str | None = None
    """Data set id on the Hugging Face hub."""
    config: str | None = None
    train: str = "train"
    """The hub split that train and dev are dealt from."""
    test: str | None = None
    """The hub split that is sealed; without it, test rows are dealt from `train` as well."""
    local: str | None = None
    """Stem of `<local>.train.jsonl` and `<local>.test.jsonl` below --data-dir; default: the task's name."""


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which columns hold what. Several input columns are joined by line breaks."""

    input: str | tuple[str, ...] = "input"
    target: str = "target"
    references: str | None = None


class TaskFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One task as its YAML file describes it."""

    description: str = ""
    data: Source = Source()
    columns: Columns = Columns()
    labels: tuple[str, ...] | dict[str, str] | None = None
    """The answers of a closed task; a mapping renames what the data say."""
    target_pattern: str | None = None
    """Regular expression whose first group is the answer inside the target column."""
    scorer: str | dict[str, dict[str, Any]] = "exact"
    instruction: str = ""
    """The seed prompt's instruction."""
    layout: Layout = Layout()
    max_tokens: int | None = None
    """Of an answer; None: learned from the known answers, see `apo.scorers.answer_limit`."""
    constrained: bool = False
    """Let the server answer with a label only (needs `labels`)."""
    splits: Sizes = Sizes()
    duplicates: Literal["refuse", "drop"] = "refuse"
    """What to do with rows whose input stands in two splits; `drop` keeps the first of each."""


def parse(path: Path) -> dict[str, dict[str, Any]]:
    """The tasks that a YAML file describes: name to settings, not yet checked.

    Raises:
        ConfigError: unreadable, or not a mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"The task file {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"The task file {path} must be a mapping, like `instruction: ...`.")
    variants = content.pop("variants", None)
    if variants is None:
        return {path.stem: content}
    if not isinstance(variants, dict) or not all(isinstance(v, dict | None) for v in variants.values()):
        raise ConfigError(f"{path}: `variants` must map each name to its settings.")
    return {f"{path.stem}/{name}": {**content, **(settings or {})} for name, settings in variants.items()}


def check(name: str, settings: dict[str, Any]) -> TaskFile:
    """The settings as a TaskFile.

    Raises:
        ConfigError: an unknown key or a value of the wrong type, by name.
    """
    known = TaskFile.__struct_fields__
    for key in settings:
        if key not in known:
            raise unknown(f"setting of a task (in {name!r})", str(key), known)
    for key, cls in (("splits", Sizes), ("layout", Layout)):
        check_keys(f"{key} setting of a task (in {name!r})", settings.get(key), cls)
    labels = settings.get("labels")
    # YAML reads `yes` and `1` as other things than the text a model answers with.
    if isinstance(labels, list):
        settings = {**settings, "labels": [label_text(label) for label in labels]}
    elif isinstance(labels, dict):
        renamed = {label_text(key): label_text(value) for key, value in labels.items()}
        settings = {**settings, "labels": renamed}
    try:
        task = msgspec.convert(settings, TaskFile)
    except msgspec.ValidationError as error:
        raise ConfigError(f"Task {name!r}: {error}.") from error
    if task.target_pattern is not None:
        try:
            groups = re.compile(task.target_pattern).groups
        except re.error as error:
            raise ConfigError(f"Task {name!r}: target_pattern is no pattern: {error}.") from error
        if groups != 1:
            raise ConfigError(f"Task {name!r}: target_pattern needs one group, has {groups}.")
    return task


def check_keys(kind: str, settings: object, cls: type[Any]) -> None:
    """Refuse names that are no field of a dataclass.

    Raises:
        ConfigError: lists the fields.
    """
    known = [field.name for field in fields(cls)]
    for key in settings if isinstance(settings, dict) else ():
        if key not in known:
            raise unknown(kind, str(key), known)


def missing(value: object) -> bool:
    """Whether a cell holds nothing; tables of numbers say so by NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def label_text(value: object) -> str:
    """A cell or label as text: `72`, not `72.0`, for whole numbers; `True` for booleans."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
