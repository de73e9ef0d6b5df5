"""What vLLM 0.32 takes by itself where a run names no engine settings.

The numbers are those of its `EngineArgs.get_batch_defaults`, which takes seconds to import.
"""

from dataclasses import dataclass

from apo.serving.command import CPU_BLOCK, Options, cache_gibibytes, cpu_context
from apo.serving.hardware import first_gpu
from apo.serving.weights import Weights


@dataclass(frozen=True, slots=True)
class Usual:
    """The default of each of EngineSettings."""

    seqs: int
    tokens: int
    block: int
    memory: float


def usual(weights: Weights, options: Options) -> Usual:
    """The default settings of what a run starts by itself here (`apo.serving.owned.hold_if_faster`)."""
    gpu = first_gpu()
    if gpu is None:
        # An engine of the run's own, of which vLLM makes more than of a server; prompts are read whole.
        return Usual(256, max(4096, cpu_context(weights, options)), CPU_BLOCK, cache_gibibytes())
    return Usual(*_step(*gpu), 16, options.gpu_memory)


def _step(name: str, gibibytes: float) -> tuple[int, int]:
    """Most requests and tokens of a step of a server on a GPU."""
    if gibibytes >= 160:
        return 1024, 16384
    if gibibytes >= 70 and "a100" not in name.lower():
        return 1024, 8192
    return 256, 2048
