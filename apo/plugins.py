"""Components found by file name: `apo/proposers/opro.py` holds `class Opro` and is called `opro`.

A folder named by the environment variable APO_PATH adds to the shipped components: its
sub-folders, named like those here and `tasks`, are searched as well.
"""

import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from apo.errors import ApoError, ConfigError, unknown

ROOT = Path(__file__).parent
SINGULAR = {
    "proposers": "proposer",
    "exemplars": "selector",
    "alternations": "alternation",
    "schedulers": "scheduler",
    "surrogates": "surrogate",
    "acquisitions": "acquisition",
    "tasks": "task",
}
"""What one component of a kind is called."""


def folders(kind: str) -> list[Path]:
    """Where components of a kind, a key of SINGULAR, lie."""
    shipped = ROOT.parent / "tasks" if kind == "tasks" else ROOT / kind
    extra = os.environ.get("APO_PATH", "")
    return [shipped, *(Path(part) / kind for part in extra.split(os.pathsep) if part)]


def names(kind: str) -> list[str]:
    """The components of a kind, sorted, without importing any."""
    return sorted(_files(kind))


def _files(kind: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders(kind):
        for path in sorted(folder.glob("*.py")):
            if not path.stem.startswith("_"):
                found.setdefault(path.stem, path)
    return found


def load(kind: str, name: str) -> type[Any]:
    """The class of one component.

    Raises:
        ConfigError: no such file, or the file does not hold the class that its name promises.
    """
    files = _files(kind)
    if name not in files:
        raise unknown(SINGULAR[kind], name, files)
    module = import_file(files[name], f"apo.{kind}.{name}")
    wanted = "".join(part.capitalize() for part in name.split("_"))
    found = getattr(module, wanted, None)
    if not isinstance(found, type):
        raise ConfigError(f"{files[name]} must define a class named {wanted}; it does not.")
    if not is_dataclass(found):
        raise ConfigError(f"{files[name]}: {wanted} must be a frozen dataclass whose fields are its options.")
    return found


@contextmanager
def foreign(what: str, error: type[ApoError]) -> Iterator[None]:
    """A block of code that may be anybody's and may fail in any way.

    Raises:
        error: in one line what failed, why, and where.
    """
    try:
        yield
    except ApoError:
        raise
    except Exception as problem:
        last = traceback.extract_tb(problem.__traceback__)[-1]
        why = f"{type(problem).__name__}: {problem} ({last.filename}, line {last.lineno})"
        raise error(f"{what}: {why}") from problem


def import_file(path: Path, module: str) -> ModuleType:
    """Import a file under a module name, once."""
    path = path.resolve()
    present = sys.modules.get(module)
    if present is not None and getattr(present, "__file__", None) == str(path):
        return present
    spec = importlib.util.spec_from_file_location(module, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} cannot be imported as Python.")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[module] = loaded
    try:
        with foreign(f"{path} fails when imported", ConfigError):
            spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[module]
        raise
    return loaded


def build(kind: str, text: str) -> Any:
    """A component from `name` or `name:option=value,option=value`.

    Raises:
        ConfigError: unknown name or option, or a value of the wrong type.
    """
    name, _, options = text.partition(":")
    cls = load(kind, name.strip())
    return _construct(cls, name.strip(), dict(_pairs(name, options)))


def _pairs(name: str, options: str) -> list[tuple[str, str]]:
    pairs = []
    for part in options.split(","):
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"{name}: {part!r} is not an option; write option=value.")
        pairs.append((key.strip(), value.strip()))
    return pairs


def _construct(cls: type[Any], name: str, options: dict[str, str]) -> Any:
    hints = get_type_hints(cls)
    known = [f.name for f in fields(cls)]
    values: dict[str, Any] = {}
    for key, value in options.items():
        if key not in known:
            raise unknown(f"option of {name}", key, known)
        try:
            values[key] = msgspec.convert(value, hints[key], strict=False)
        except msgspec.ValidationError as error:
            if get_origin(hints[key]) is Literal:
                raise unknown(f"{key} of {name}", value, map(str, get_args(hints[key]))) from error
            raise ConfigError(f"{name}: option {key}={value!r} does not fit: {error}.") from error
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:  # an option is missing, or its __post_init__ refuses it
        raise ConfigError(f"{name}: {error}") from error
