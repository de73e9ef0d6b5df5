"""Work in batches of like length that get smaller when memory ends; loads torch."""

from collections.abc import Callable, Sequence

import torch

from apo.errors import ConfigError
from apo.whitebox import WhiteBox
from apo.whitebox.inputs import all_cores

MOST = 256
"""Sequences in a batch at most."""


def batched(
    box: WhiteBox, lengths: Sequence[int], work: Callable[[Sequence[int]], None], gradients: bool
) -> None:
    """Do `work` on the places of all sequences, the longest first, in batches that fit the memory.

    A batch that runs out of memory is halved, which `box.problem` says, and the work goes on.

    Raises:
        ConfigError: not even one sequence fits.
        SpentError: the budget ends.
    """
    opened = box.opened
    waiting = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    most = MOST
    while waiting:
        size = min(most, opened.rows(lengths[waiting[0]], MOST, gradients))
        batch = waiting[:size]
        try:
            with box.working(sum(lengths[place] for place in batch)), all_cores(opened):
                work(batch)
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
            most = len(batch) // 2
            if most == 0:
                raise ConfigError(
                    f"The white box {opened.name!r} runs out of memory on one sequence of "
                    f"{lengths[waiting[0]]} tokens. Use shorter inputs or a smaller --whitebox-model, or "
                    "choose another --whitebox-device."
                ) from error
            box.problem = f"The white box ran out of memory: its batches were halved to {most}."
            if opened.device.type == "cuda":
                torch.cuda.empty_cache()
            continue
        waiting = waiting[size:]


def _out_of_memory(error: RuntimeError) -> bool:
    """On a GPU it has a class of its own, on a CPU only a text."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


def shared(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens all sequences begin with."""
    first, *others = sequences
    length = min(map(len, sequences))
    for other in others:
        same = (n for n in range(length) if first[n] != other[n])
        length = next(same, length)
    return length
