"""Soft prompts as the arms of a bandit (INSTINCT, section 2; InstructZero).

They are points of a scrambled Sobol sequence, by a fixed random projection the embeddings of a few tokens in
front of a request that shows examples and asks for their instruction. An arm's context is the state that the
model has read the request into; its text is what the model writes then. Importing this loads no torch.
"""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from apo.prompt import Message
from apo.whitebox import Pooling, WhiteBox
from apo.whitebox.keeping import keep, place, recalled

if TYPE_CHECKING:
    from torch import Tensor

    from apo.arrays import Floats

DECODED_AT_ONCE = 8
"""Arms whose texts are written together: a model server is not kept waiting for long."""


@dataclass(frozen=True)
class Shape:
    """What soft prompts look like, and where they are read."""

    arms: int
    dimension: int
    """Of the Sobol points (d)."""
    tokens: int
    """Soft tokens."""
    level: int = 0
    """Each level above 0 has soft prompts of twice the length, and points of its own."""
    layer: int = -1
    pooling: Pooling = "last"
    max_tokens: int = 64


@dataclass(frozen=True)
class SoftPrompts:
    """The arms `soft:LEVEL:NUMBER` of one level; states and texts are kept on disk by what decides them."""

    box: WhiteBox
    shape: Shape
    request: tuple[Message, ...]
    opening: str
    """How the model's answer begins."""
    read: Callable[[str], str]
    """From what was written, without the opening, to an instruction; empty if there is none."""

    @property
    def keys(self) -> list[str]:
        """The arms."""
        return [f"soft:{self.shape.level}:{number}" for number in range(self.shape.arms)]

    @cached_property
    def states(self) -> "Floats":
        """Contexts of all arms, shape (arms, width): standardized, over the root of their number.

        So contexts are about a unit apart, as sentence embeddings are. What is found on disk is not
        charged.
        """
        import numpy as np

        path = place("npy", "states", *self._facts, self.shape.layer, self.shape.pooling)
        kept = recalled(path)
        if kept is None:
            from apo.whitebox.reading import states

            inputs = (self._input(prompt) for prompt in self._prompts)
            raw = states(self.box, inputs, self.shape.layer, self.shape.pooling).numpy()
            file = io.BytesIO()
            np.save(file, raw)
            keep(path, file.getvalue())
        else:
            raw = np.load(io.BytesIO(kept))
        raw = raw.astype(np.float64)
        spread = raw.std(axis=0)
        found: Floats = (raw - raw.mean(axis=0)) / (np.where(spread > 0, spread, 1) * raw.shape[1] ** 0.5)
        return found

    @property
    def contexts(self) -> "dict[str, Floats]":
        """States by arm."""
        return dict(zip(self.keys, self.states, strict=True))

    def texts(self, keys: Sequence[str]) -> list[str]:
        """The instructions of some arms; an empty one where the model wrote none."""
        path = place("json", "texts", *self._facts, self.opening, self.shape.max_tokens)
        kept = recalled(path)
        known: dict[str, str] = {} if kept is None else json.loads(kept)
        new = [key for key in keys if key not in known]
        if new:
            from apo.whitebox.writing import write

            # Always as many at once, so that what stands beside an arm never changes its text.
            for start in range(0, len(new), DECODED_AT_ONCE):
                some = new[start : start + DECODED_AT_ONCE]
                filled = some + some[-1:] * (DECODED_AT_ONCE - len(some))
                inputs = [self._input(self._prompts[int(key.rpartition(":")[2])]) for key in filled]
                written = write(self.box, inputs, max_tokens=self.shape.max_tokens)
                known.update({key: one.text for key, one in zip(some, written, strict=False)})
            keep(path, json.dumps(known).encode())
        return [self.read(known[key]) for key in keys]

    @cached_property
    def _prompts(self) -> "Tensor":
        """Shape (arms, tokens, width). Seeds are fixed, as in the released code."""
        import torch
        from torch.quasirandom import SobolEngine

        shape, width = self.shape, self.box.opened.width
        points = SobolEngine(shape.dimension, scramble=True, seed=shape.level)  # type: ignore[no-untyped-call]
        generator = torch.Generator().manual_seed(0)
        projection = 2 * torch.rand(shape.dimension, shape.tokens * width, generator=generator) - 1
        drawn = points.draw(shape.arms) @ projection
        return 2.0**shape.level * drawn.view(shape.arms, shape.tokens, width)

    @cached_property
    def _tokens(self) -> list[int]:
        from apo.whitebox.inputs import chat_tokens

        return chat_tokens(self.box.opened, self.request, self.opening)

    @cached_property
    def _request(self) -> "Tensor":
        from apo.whitebox.inputs import embedded

        return embedded(self.box.opened, self._tokens)

    def _input(self, prompt: "Tensor") -> "Tensor":
        import torch

        return torch.cat([prompt.to(self._request), self._request])

    @property
    def _facts(self) -> tuple[object, ...]:
        shape, opened = self.shape, self.box.opened
        return (
            opened.name,
            str(opened.dtype),
            opened.device.type,
            self._tokens,
            shape.arms,
            shape.dimension,
            shape.tokens,
            shape.level,
        )
