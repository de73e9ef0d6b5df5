"""What this machine computes with: a GPU or not, which numbers, how much memory."""

import os
import shutil
import subprocess
from pathlib import Path

from apo.serving.weights import Weights

PROCESSOR = Path("/proc/cpuinfo")
BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
"""Flags of processors that compute with bfloat16: Intel's and AMD's, and ARM's."""
SINGLE_SHARE = 0.25
"""Of the machine's memory, what weights in single precision may take."""


def has_gpu() -> bool:
    """Whether `nvidia-smi` lists a GPU."""
    if shutil.which("nvidia-smi") is None:
        return False
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return listed.returncode == 0 and "GPU" in listed.stdout


def computes_bfloat16(processor: Path = PROCESSOR) -> bool:
    """Whether the processor has instructions for bfloat16; others are slow at it (2.5 times, measured)."""
    try:
        return not BFLOAT16.isdisjoint(processor.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return False


def memory() -> int:
    """Bytes of the whole machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def machine() -> str:
    """The hardware that decides how fast an engine is: GPUs with memory, or processor, cores and GiB."""
    if has_gpu():
        return "; ".join(_gpus("--format=csv,noheader"))
    return f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {round(memory() / 2**30)} GiB"


def first_gpu() -> tuple[str, float] | None:
    """Name and GiB of the first GPU, if there is one; 0 GiB where it does not say."""
    if not has_gpu():
        return None
    name, _, mebibytes = next(iter(_gpus("--format=csv,noheader,nounits")), "").rpartition(",")
    try:
        return name, float(mebibytes) / 2**10
    except ValueError:  # one that shares the machine's memory
        return name, 0.0


def visible_gpus() -> str:
    """The GPUs that this process may use, such as `0,1`; nothing without one."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if named or not has_gpu():
        return named
    return ",".join(str(number) for number, _ in enumerate(_gpus("--format=csv,noheader")))


def _gpus(form: str) -> list[str]:
    """A line for each: its name, a comma, its memory in MiB."""
    asked = ["nvidia-smi", "--query-gpu=name,memory.total", form]
    listed = subprocess.run(asked, capture_output=True, text=True, check=False)
    return [line.strip() for line in listed.stdout.splitlines()]


def _processor() -> str:
    try:
        lines = PROCESSOR.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown processor"
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "unknown processor")


def precision(weights: Weights, processor: Path = PROCESSOR) -> str:
    """What a CPU computes a model with: bfloat16, or where that is slow and there is room single precision.

    Weights that are not here yet may be of any size, and stay in bfloat16.
    """
    if computes_bfloat16(processor) or weights.local is None:
        return "bfloat16"
    # Weights lie in folders with 16 bits a number.
    single = 2 * sum(file.stat().st_size for file in weights.local.glob("*.safetensors"))
    return "float32" if 0 < single <= SINGLE_SHARE * memory() else "bfloat16"
