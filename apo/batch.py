"""A batch: tasks x seeds x settings from one YAML file, as runs with names of their own."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from apo.errors import ConfigError, unknown
from apo.options import from_mapping, is_file
from apo.spec import RunSpec
from apo.store.runs import NAME

KEYS = ("tasks", "seeds", "settings", "common", "parallel", "name")
MOST_RUNS = 10_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a batch."""

    name: str
    """Of the run's folder: `<task>-<setting>-s<seed>`."""
    task: str
    setting: str
    seed: int
    spec: RunSpec


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch file asks for."""

    name: str
    cells: tuple[Cell, ...]
    parallel: int = 1
    """Runs at a time."""


def read_batch(path: Path) -> Batch:
    """A batch from its file.

    `tasks`: names, files (relative to the batch file), or mappings with `task` or `data` and further
    options; `seeds`: whole numbers; `settings`: a name to options each; `common`: options of all runs;
    `parallel`: runs at a time; `name`: of the batch. Options are those of `apo run`, with `_` for `-`;
    what a setting says wins over its task's options, and both over the common ones.

    Raises:
        ConfigError: the file cannot be read, or what it says is wrong; names the place.
    """
    content = _parsed(path)
    for key in content:
        if key not in KEYS:
            raise unknown(f"key in {path}", str(key), KEYS)
    tasks = [_task(entry, path) for entry in _list(content, "tasks", path)]
    settings = content.get("settings") or {"default": {}}
    if not isinstance(settings, dict) or not all(isinstance(v, dict | None) for v in settings.values()):
        raise ConfigError(f"{path}: `settings` must map names to options.")
    seeds = _list({"seeds": [0], **content}, "seeds", path)
    common = content.get("common") or {}
    parallel = content.get("parallel", 1)
    if not isinstance(common, dict):
        raise ConfigError(f"{path}: `common` must hold options.")
    if not isinstance(parallel, int) or isinstance(parallel, bool) or not 1 <= parallel <= 64:
        raise ConfigError(f"{path}: `parallel` must be a number of runs from 1 to 64, not {parallel!r}.")
    _check_seedless(path, [common, *(task for _, task in tasks), *settings.values()])
    cells = [
        _cell(path, label, seed, str(setting), {**common, **task, **(options or {}), "seed": seed})
        for label, task in tasks
        for setting, options in settings.items()
        for seed in seeds
    ]
    _check_names(cells, path)
    return Batch(_name(str(content.get("name") or path.stem), path), tuple(cells), parallel)


def _check_seedless(path: Path, options: list[dict[str, Any] | None]) -> None:
    if any("seed" in (each or {}) for each in options):
        raise ConfigError(f"{path}: say `seeds: [...]` for the whole batch instead of the option `seed`.")


def _parsed(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The batch file {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict) or "tasks" not in content:
        raise ConfigError(f"{path} must be a mapping with at least `tasks: [...]`.")
    return content


def _list(content: dict[str, Any], key: str, path: Path) -> list[Any]:
    values = content[key]
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{path}: `{key}` must be a list with at least one entry.")
    return values


def _task(entry: Any, path: Path) -> tuple[str, dict[str, Any]]:
    """A task's label and its options."""
    options = {"task": entry} if isinstance(entry, str) else entry
    if not isinstance(options, dict) or not isinstance(options.get("task", options.get("data")), str):
        raise ConfigError(f"{path}: each of `tasks` must be a name, or a mapping with `task` or `data`.")
    options = dict(options)
    task = options.get("task")
    own = task if task and not is_file(task) else Path(task or options["data"]).stem
    label = options.pop("label", None) or own
    return str(label), options


def _cell(path: Path, label: str, seed: Any, setting: str, options: dict[str, Any]) -> Cell:
    name = re.sub(r"[^A-Za-z0-9_.+]+", "-", f"{label}-{setting}").strip("-.")
    where = f"{path}, task {label}, setting {setting}"
    try:
        spec = from_mapping(where, options).spec(path.parent)
    except ConfigError as error:
        # Errors of options name the place; that neither or both of task and data are given does not.
        raise error if where in str(error) else ConfigError(f"{where}: {error}") from error
    return Cell(_name(f"{name}-s{seed}", path), label, setting, spec.seed, spec)


def _name(text: str, path: Path) -> str:
    if not NAME.fullmatch(text):
        raise ConfigError(f"{path}: {text!r} cannot be a folder's name. Give it a `label` or `name`.")
    return text


def _check_names(cells: list[Cell], path: Path) -> None:
    if len(cells) > MOST_RUNS:
        raise ConfigError(f"{path} asks for {len(cells)} runs; {MOST_RUNS} at most.")
    seen: set[str] = set()
    for cell in cells:
        if cell.name in seen:
            raise ConfigError(f"{path} asks for {cell.name} twice. Give one of the tasks a `label`.")
        seen.add(cell.name)
