"""From a task's name, file or data file to a Task."""

import ast
import re
from pathlib import Path
from typing import Any

import msgspec

from apo import plugins
from apo.data import FORMATS, Row, read_file, read_hub
from apo.errors import ConfigError, unknown
from apo.prompt import Prompt
from apo.rows import distinct, label_names, to_examples
from apo.scorers import SCORERS, Choice, answer_limit, last_number
from apo.spec import TaskSource
from apo.task import Decoding, Example, Scorer, Task, check_rows, split
from apo.taskfile import Columns, TaskFile, check, check_keys, parse

MOST_LABELS = 20


def task_names() -> list[str]:
    """Every task that can be run by name, sorted."""
    return sorted(descriptions())


def descriptions() -> dict[str, str]:
    """Every task that can be run by name with a line on what it is, sorted; loads no data."""
    found: dict[str, str] = {}
    for folder in plugins.folders("tasks"):
        for path in sorted(folder.glob("*.yaml")):
            for name, text in _described(path).items():
                found.setdefault(name, text)
        for path in sorted(folder.glob("*.py")):
            if not path.stem.startswith("_"):
                found.setdefault(path.stem, _docstring(path))
    return dict(sorted(found.items()))


def _described(path: Path) -> dict[str, str]:
    """The tasks of a YAML file; a broken file is listed as such and hides no other."""
    try:
        return {name: str(settings.get("description", "")) for name, settings in parse(path).items()}
    except ConfigError as error:
        return {path.stem: f"(broken: {error})"}


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
        if (folder / f"{stem}.yaml").is_file():
            return folder / f"{stem}.yaml"
        if (folder / f"{stem}.py").is_file() and not stem.startswith("_") and stem == name:
            return folder / f"{stem}.py"
    raise unknown("task", name, task_names(), "apo tasks")


def load(source: TaskSource) -> Task:
    """The task that a source names.

    Raises:
        ConfigError: see `load_task` and `data_task`.
    """
    settings, sizes = dict(source.settings), dict(source.sizes)
    if source.data is not None:
        return data_task(Path(source.data), *source.columns, settings, sizes)
    data_dir = Path(source.data_dir) if source.data_dir else None
    return load_task(source.name, data_dir, settings, sizes)


def load_task(
    name: str,
    data_dir: Path | None = None,
    settings: dict[str, Any] | None = None,
    sizes: dict[str, int] | None = None,
) -> Task:
    """A task by name, or by the path of its YAML or Python file.

    Args:
        name: what `task_names` lists, or a path ending in .yaml or .py; one task of a family file is
            `<path>.yaml/<variant>`.
        data_dir: a folder with local copies of public data, preferred to the hub.
        settings: replace the file's own (YAML tasks only).
        sizes: split sizes that replace the file's own (YAML tasks only).

    Raises:
        ConfigError: unknown name or setting, or data that break a rule.
    """
    file, family, variant = name.partition(".yaml/")
    path = Path(f"{file}.yaml" if family else name)
    if path.suffix in (".yaml", ".yml", ".py"):
        if not path.is_file():
            raise ConfigError(f"There is no task file {str(path)!r}. Known tasks: apo tasks.")
        name = f"{path.stem}/{variant}" if family else path.stem
    elif path.suffix in FORMATS:
        raise ConfigError(f"{name!r} is a data file, not a task; --data makes a task of it.")
    else:
        path = _task_file(name)
    if path.suffix == ".py":
        return _python_task(name, path, {**(settings or {}), **(sizes or {})})
    variants = parse(path)
    if name not in variants:
        raise unknown("task", name, variants)
    merged = {**variants[name], **(settings or {})}
    if sizes:
        own = merged.get("splits")
        merged["splits"] = {**(own if isinstance(own, dict) else {}), **sizes}
    return assemble(name, check(name, merged), path.parent, data_dir)


def data_task(
    path: Path,
    input_column: str,
    target_column: str,
    settings: dict[str, Any],
    sizes: dict[str, int],
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
    with plugins.foreign(f"{path}: load() fails", ConfigError):
        task = load()
    if not isinstance(task, Task):
        raise ConfigError(f"{path}: load() must return a Task, not {type(task).__name__}.")
    check_rows(task.train, task.dev, task.test)
    return task


def assemble(name: str, spec: TaskFile, folder: Path, data_dir: Path | None = None) -> Task:
    """A Task from checked settings; paths are relative to `folder`."""
    if data_dir is not None and spec.data.path is None:
        # Local copies of public data carry the plain columns, whatever the hub calls them.
        rows, test_rows = _read_copy(data_dir / (spec.data.local or name))
        references = "references" if "references" in rows[0] else None
        spec = msgspec.structs.replace(spec, columns=Columns(references=references), target_pattern=None)
    else:
        rows, test_rows = _read(name, spec, folder)
    examples = to_examples(rows, spec, "row")
    test = None if test_rows is None else to_examples(test_rows, spec, "test row")
    if spec.duplicates == "drop":
        test = None if test is None else distinct(test, set())
        examples = distinct(examples, {e.plain_input for e in test or ()})
    train, dev, sealed = split(examples, spec.splits, test)
    check_rows(train, dev, sealed)
    labels = label_names(spec)
    scorer = _scorer(spec, examples, labels)
    most = spec.max_tokens
    if most is None:
        most = answer_limit(scorer, (*train, *dev))  # never the test: nothing of it may be known
    return Task(
        name=name,
        description=spec.description,
        seed=Prompt(spec.instruction, (), spec.layout),
        scorer=scorer,
        train=train,
        dev=dev,
        test=sealed,
        decoding=Decoding(most, _constrained(name, spec, labels)),
    )


def _read_copy(stem: Path) -> tuple[list[Row], list[Row] | None]:
    """The rows of a local copy, `<stem>.train.jsonl` and, if it is there, `<stem>.test.jsonl`."""
    train, test = (stem.with_name(f"{stem.name}.{part}.jsonl") for part in ("train", "test"))
    return read_file(train), read_file(test) if test.is_file() else None


def _read(name: str, spec: TaskFile, folder: Path) -> tuple[list[Row], list[Row] | None]:
    source = spec.data
    if source.path is not None:
        rows = read_file(folder / source.path)
        return rows, read_file(folder / source.test_path) if source.test_path else None
    if source.hub is None:
        raise ConfigError(
            f"Task {name!r} names no data that can be fetched (neither data.path nor data.hub). "
            "Give a folder with a local copy: --data-dir."
        )
    rows = read_hub(source.hub, source.config, source.train)
    return rows, read_hub(source.hub, source.config, source.test) if source.test else None


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
    check_keys(f"option of the scorer {name}", options, SCORERS[name])
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
