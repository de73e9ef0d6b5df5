"""Engine settings that were measured to be fast, remembered per model and machine."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace

import msgspec

from apo.files import write_private
from apo.serving import command
from apo.serving.command import EngineSettings, Options
from apo.serving.hardware import machine
from apo.serving.weights import Report, Weights, cache_folder

FILE = "engine.json"
"""In apo's cache folder."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search for engine settings found."""

    model: str
    machine: str
    settings: EngineSettings
    rate: float
    """Requests per second with these."""
    default: float
    """Requests per second with the default settings, in the same search."""


def key(weights: Weights, options: Options) -> str:
    """What the best settings depend on: weights, engine, context, machine, defaults; 16 hex digits."""
    default = command.settings(weights, Options())
    parts = [command.stamp(weights), command.engine(), options.context, machine(), default]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def recalled(weights: Weights, options: Options, report: Report = lambda _: None) -> Options:
    """The options with the settings that are remembered for them, which is reported.

    None are for a server that skips compiling.

    Raises:
        ConfigError: vLLM is not installed.
    """
    found = None if options.eager else _read().get(key(weights, options))
    if found is None:
        return options
    report(
        f"Engine settings found by apo tune-engine: {found.settings.words()} "
        f"({found.rate / found.default:.2f} times as fast as the default there)"
    )
    return replace(options, engine=found.settings)


def remember(weights: Weights, options: Options, found: Tuned) -> None:
    """Use these settings from now on.

    Raises:
        ConfigError: the file cannot be written, or vLLM is not installed.
    """
    _write({**_read(), key(weights, options): found})


def forget(weights: Weights, options: Options) -> bool:
    """Use the default settings again; whether others were remembered.

    Raises:
        ConfigError: the file cannot be written, or vLLM is not installed.
    """
    known = _read()
    there = known.pop(key(weights, options), None) is not None
    if there:
        _write(known)
    return there


def _write(known: dict[str, Tuned]) -> None:
    cache_folder().mkdir(parents=True, exist_ok=True)
    content = json.dumps({name: asdict(one) for name, one in known.items()}, indent=2)
    write_private(cache_folder() / FILE, content.encode())


def _read() -> dict[str, Tuned]:
    """All that is remembered; nothing where the file is missing or broken, since it can be measured again."""
    try:
        return msgspec.json.decode((cache_folder() / FILE).read_bytes(), type=dict[str, Tuned])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
