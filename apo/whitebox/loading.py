"""Opening the white box: which weights, on what device, and whether they fit; torch is loaded when asked."""

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apo.errors import ConfigError
from apo.serving import hardware
from apo.serving.weights import Report, Weights, resolve
from apo.spec import WhiteBoxSpec
from apo.whitebox import Opened, Opener

if TYPE_CHECKING:
    import torch

GIB = 1 << 30
LEAST_WORK = 256 << 20
"""Bytes that work takes at least, besides the weights."""
FREE_SHARE = 0.5
"""Of the free memory, what is used where the user sets no limit: a model server may be beside it."""


def opener(spec: WhiteBoxSpec, task_model: str, report: Report) -> Opener:
    """A function that opens the model when it is first called, and then gives the same one."""
    return cache(lambda: open_model(spec, task_model, report))


def check(spec: WhiteBoxSpec, task_model: str, report: Report) -> None:
    """Refuse a white box that could not be opened, without loading its weights.

    Raises:
        ConfigError: no such model or device, or too little memory; it says what to set.
    """
    _room(_weights(spec, task_model, report), spec)


def open_model(spec: WhiteBoxSpec, task_model: str, report: Report) -> Opened:
    """The model, ready to be looked into.

    Raises:
        ConfigError: no such model or device, too little memory, or it is no causal language model.
    """
    weights = _weights(spec, task_model, report)
    memory = _room(weights, spec)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    # A bar would break lines and screens.
    disable_progress_bar()  # type: ignore[no-untyped-call]
    where = device(spec)
    report(f"Opening {weights.name} as white box on {where}")
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(weights.source)
        model: Any = AutoModelForCausalLM.from_pretrained(weights.source, dtype=precision(where))
        model = model.to(where).eval().requires_grad_(False)
    except torch.OutOfMemoryError as error:
        raise _too_large(weights.name, memory, 0, spec) from error
    except (OSError, ValueError) as error:
        raise _unusable(weights, error) from error
    threads = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
    return Opened(model, tokenizer, _identity(weights), memory, threads)


def device(spec: WhiteBoxSpec) -> "torch.device":
    """Where the model computes.

    Raises:
        ConfigError: cuda is asked for and not there.
    """
    import torch

    there = torch.cuda.is_available()
    if spec.device == "cuda" and not there:
        raise ConfigError("--whitebox-device cuda: torch sees no GPU here. Use cpu or auto.")
    return torch.device("cuda" if there and spec.device != "cpu" else "cpu")


def precision(where: "torch.device") -> "torch.dtype":
    """bfloat16 where the hardware computes with it, else single precision."""
    import torch

    if where.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if hardware.computes_bfloat16() else torch.float32


def _weights(spec: WhiteBoxSpec, task_model: str, report: Report) -> Weights:
    try:
        return resolve(spec.model or task_model, report)
    except ConfigError as error:
        raise ConfigError(
            f"The white box cannot be opened: {error} --whitebox-model names another model than the one "
            "that answers."
        ) from error


def _room(weights: Weights, spec: WhiteBoxSpec) -> int:
    """Bytes for work beside the weights.

    Raises:
        ConfigError: they do not fit.
    """
    needed = _parameters(weights) * precision(device(spec)).itemsize
    allowed = int(_free(device(spec)) * FREE_SHARE) if spec.memory is None else int(spec.memory * GIB)
    if needed + LEAST_WORK > allowed:
        raise _too_large(weights.name, needed + LEAST_WORK, allowed, spec)
    return allowed - needed


def _too_large(name: str, needed: int, allowed: int, spec: WhiteBoxSpec) -> ConfigError:
    by_whom = "half of what is free" if spec.memory is None else "the limit that was set"
    return ConfigError(
        f"The white box {name!r} does not fit: it needs {needed / GIB:.1f} GiB and may take "
        f"{allowed / GIB:.1f} GiB ({by_whom}). Raise --whitebox-memory, choose another "
        "--whitebox-device, or name a smaller model with --whitebox-model."
    )


def _parameters(weights: Weights) -> int:
    """How many numbers the model has, counted without loading one."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(weights.source)
        with torch.device("meta"):
            model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise _unusable(weights, error) from error
    return sum(p.numel() for p in model.parameters())


def _unusable(weights: Weights, error: Exception) -> ConfigError:
    return ConfigError(
        f"The white box {weights.name!r} cannot be opened: {str(error).splitlines()[0]} Name a causal "
        "language model that transformers reads with --whitebox-model."
    )


def _free(where: "torch.device") -> int:
    """Bytes that nobody uses."""
    import torch

    if where.type == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return hardware.memory()


def _identity(weights: Weights) -> str:
    """Name, and of a folder the sizes and times of its files."""
    if weights.local is None:
        return weights.source
    files = sorted(path for path in weights.local.iterdir() if path.is_file())
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return f"{weights.name}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"
