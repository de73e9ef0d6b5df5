"""From a task's name, file or data file to a Task."""

import ast
import re
from pathlib import Path
from typing import Any

import msgspec

from apo import plugins
from apo.data import Row, read_file, read_hub
from apo.errors import ConfigError, DataError, unknown
from apo.prompt import Prompt
from apo.scorers import SCORERS, Choice, last_number
from apo.task import Decoding, Example, Scorer, Task, check_disjoint, split
from apo.taskfile import TaskFile, check, label_text, parse

MOST_LABELS = 20


def task_names() -> list[str]:
    """Every task that can be run by name, sorted."""
    return sorted(descriptions())


def descriptions() -> dict[str, str]:
    """Every task that can be run by name with a line on what it is, sorted; loads no data."""
    found: dict[str, str] = {}
    for folder in plugins.folders("tasks"):
        for path in sorted(folder.glob("*.yaml")):
            for name, settings in parse(path).items():
                found.setdefault(name, str(settings.get("description", "")))
        for path in sorted(folder.glob("*.py")):
            if not path.stem.startswith("_"):
                found.setdefault(path.stem, _docstring(path))
    return dict(sorted(found.items()))


def _docstring(path: Path) -> str:
    """The first line of a Python file's docstring, without running it."""
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    except (SyntaxError, ValueError) as error:
        return f"(broken: {error})"
    return (text or "").partition("\n")[0]


def _task_file(name: str) -> Path:
    """The file of a task by name: `bbh/snarks` is in `bbh.yaml`, whatever other files hold."""
    stem = name.partition("/")[0]
    for folder in plugins.folders("tasks"):
        for path in (folder / f"{stem}.yaml", folder / f"{stem}.py"):
            if path.is_file() and not stem.startswith("_"):
                return path
    raise unknown("task", name, task_names())


def load_task(
    name: str,
    data_dir: Path | None = None,
    settings: dict[str, Any] | None = None,
    sizes: dict[str, int] | None = None,
) -> Task:
    """A task by name, or by the path of its YAML or Python file.

    Args:
        name: what `task_names` lists, or a path ending in .yaml or .py.
        data_dir: a folder with local copies of public data, preferred to the hub.
        settings: replace the file's own (YAML tasks only).
        sizes: split sizes that replace the file's own (YAML tasks only).

    Raises:
        ConfigError: unknown name or setting, or data that break a rule.
    """
    if Path(name).suffix in (".yaml", ".yml", ".py"):
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"There is no task file {name!r}. Known tasks: apo tasks.")
        name = path.stem
    else:
        path = _task_file(name)
    if path.suffix == ".py":
        return _python_task(name, path, {**(settings or {}), **(sizes or {})})
    variants = parse(path)
    if name not in variants:
        raise unknown("task", name, variants)
    merged = {**variants[name], **(settings or {})}
    if sizes:
        merged["splits"] = {**(merged.get("splits") or {}), **sizes}
    return assemble(name, check(name, merged), path.parent, data_dir)


def data_task(
    path: Path, input_column: str, target_column: str, settings: dict[str, Any], sizes: dict[str, int]
) -> Task:
    """A task made of one data file; the scorer is guessed from the targets unless set.

    Raises:
        ConfigError: unknown column or setting, or data that break a rule.
    """
    whole = {
        "data": {"path": str(path.absolute())},
        "columns": {"input": input_column, "target": target_column},
        "scorer": "auto",
        "splits": sizes,
        **settings,
    }
    return assemble(path.stem, check(path.stem, whole), path.parent)


def _python_task(name: str, path: Path, overrides: dict[str, Any]) -> Task:
    if overrides:
        raise ConfigError(
            f"The task {name!r} is Python; {', '.join(overrides)} can only be set in {path.name}."
        )
    load = getattr(plugins.import_file(path, f"tasks.{path.stem}"), "load", None)
    if not callable(load):
        raise ConfigError(f"{path} must define `def load() -> Task`; it does not.")
    task = load()
    if not isinstance(task, Task):
        raise ConfigError(f"{path}: load() must return a Task, not {type(task).__name__}.")
    check_disjoint(task.train, task.dev, task.test)
    return task


def assemble(name: str, spec: TaskFile, folder: Path, data_dir: Path | None = None) -> Task:
    """A Task from checked settings; paths are relative to `folder`."""
    rows, test_rows = _read(name, spec, folder, data_dir)
    examples = _examples(rows, spec, "row")
    test = None if test_rows is None else _examples(test_rows, spec, "test row")
    if spec.duplicates == "drop":
        test = None if test is None else _distinct(test, set())
        examples = _distinct(examples, {_key(e) for e in test or ()})
    train, dev, sealed = split(examples, spec.splits, test)
    check_disjoint(train, dev, sealed)
    labels = _labels(spec)
    return Task(
        name=name,
        description=spec.description,
        seed=Prompt(spec.instruction, (), spec.layout),
        scorer=_scorer(spec, examples, labels),
        train=train,
        dev=dev,
        test=sealed,
        decoding=Decoding(spec.max_tokens, _constrained(name, spec, labels)),
    )


def _read(
    name: str, spec: TaskFile, folder: Path, data_dir: Path | None
) -> tuple[list[Row], list[Row] | None]:
    source = spec.data
    if data_dir is not None and source.path is None:
        stem = data_dir / (source.local or name)
        train, test = (stem.with_name(f"{stem.name}.{part}.jsonl") for part in ("train", "test"))
        return read_file(train), read_file(test) if test.is_file() else None
    if source.path is not None:
        rows = read_file(folder / source.path)
        return rows, read_file(folder / source.test_path) if source.test_path else None
    if source.hub is None:
        raise ConfigError(f"Task {name!r} says neither data.path nor data.hub. Add one of them.")
    rows = read_hub(source.hub, source.config, source.train)
    return rows, read_hub(source.hub, source.config, source.test) if source.test else None


def _examples(rows: list[Row], spec: TaskFile, kind: str) -> list[Example]:
    columns = spec.columns
    # Local copies of public data carry the plain columns whatever the hub calls them.
    if "input" in rows[0] and "target" in rows[0] and "task" in rows[0]:
        columns = type(columns)(references="references")
    return [_example(n, row, spec, columns, kind) for n, row in enumerate(rows, 1)]


def _example(number: int, row: Row, spec: TaskFile, columns: Any, kind: str) -> Example:
    inputs = (columns.input,) if isinstance(columns.input, str) else columns.input
    text = "\n".join(_cell(row, column, number, kind) for column in inputs)
    target = _cell(row, columns.target, number, kind)
    if spec.target_pattern is not None and (found := re.search(spec.target_pattern, target)):
        target = found.group(1)
    if isinstance(spec.labels, dict):
        target = spec.labels.get(target, target)
    labels = _labels(spec)
    if labels and target not in labels:
        raise DataError(
            f"{kind.capitalize()} {number}: the target {target!r} is not among the labels "
            f"({', '.join(labels)}). Correct the row or the labels."
        )
    references = row.get(columns.references) if columns.references else None
    accepted = tuple(label_text(r).strip() for r in references or ())
    return Example(str(row.get("id") or f"{kind.replace(' ', '-')}-{number}"), text, target, accepted)


def _cell(row: Row, column: str, number: int, kind: str) -> str:
    if column not in row:
        raise unknown("column", column, row)
    value = row[column]
    parts = value if isinstance(value, list) else [value]
    text = "\n".join(label_text(p) for p in parts if p is not None).strip()
    if not text:
        raise DataError(f"{kind.capitalize()} {number} has nothing in column {column!r}. Fill it in.")
    return text


def _key(example: Example) -> str:
    return " ".join(example.input.split())


def _distinct(examples: list[Example], seen: set[str]) -> list[Example]:
    kept = []
    for example in examples:
        if _key(example) not in seen:
            seen.add(_key(example))
            kept.append(example)
    return kept


def _labels(spec: TaskFile) -> tuple[str, ...]:
    labels = spec.labels.values() if isinstance(spec.labels, dict) else spec.labels or ()
    return tuple(dict.fromkeys(labels))


def _constrained(name: str, spec: TaskFile, labels: tuple[str, ...]) -> tuple[str, ...]:
    if spec.constrained and not labels:
        raise ConfigError(f"Task {name!r}: `constrained` needs `labels`. List them.")
    return labels if spec.constrained else ()


def _scorer(spec: TaskFile, examples: list[Example], labels: tuple[str, ...]) -> Scorer:
    named = {spec.scorer: {}} if isinstance(spec.scorer, str) else spec.scorer
    if len(named) != 1:
        raise ConfigError(f"`scorer` must name one scorer, not {len(named)}: {', '.join(named)}.")
    ((name, options),) = named.items()
    if name == "auto":
        name = guess_scorer(examples)
    if name not in SCORERS:
        raise unknown("scorer", name, SCORERS)
    if name == "choice" and "labels" not in options:
        options = {**options, "labels": labels or tuple(sorted({e.target for e in examples}))}
    try:
        return msgspec.convert(options, SCORERS[name])
    except msgspec.ValidationError as error:
        raise ConfigError(f"Scorer {name!r}: {error}.") from error


def guess_scorer(examples: list[Example]) -> str:
    """The scorer that fits the targets: a few repeated labels, numbers, or free text."""
    targets = {e.target for e in examples}
    if len(targets) <= min(MOST_LABELS, len(examples) // 4):
        return Choice.__name__.lower()
    numbers = all(last_number(t) is not None and not re.search(r"[^\W\d]", t) for t in targets)
    return "numeric" if numbers else "exact"
