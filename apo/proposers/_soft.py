"""Soft prompts as the arms of a bandit (INSTINCT, section 2; InstructZero).

They are points of a scrambled Sobol sequence, by a fixed random projection the embeddings of a few tokens in
front of a request that shows examples and asks for their instruction. An arm's context is the state that the
model has read the request into; its text is what the model writes then. Importing this loads no torch.
"""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from apo.prompt import Message
from apo.whitebox import Pooling, WhiteBox
from apo.whitebox.keeping import keep, place, recalled

if TYPE_CHECKING:
    from torch import Tensor

    from apo.arrays import Floats

DECODED_AT_ONCE = 16
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
    ended: Callable[[str], bool]
    """Whether the instruction is whole, so that nothing more need be written."""
    begun: bool = False
    """Whether the run has paid for this level's states."""
    told: dict[str, str] = field(default_factory=dict)
    """By arm, what was asked already."""

    @property
    def keys(self) -> list[str]:
        """The arms."""
        return [f"soft:{self.shape.level}:{number}" for number in range(self.shape.arms)]

    @cached_property
    def states(self) -> "Floats":
        """Contexts of all arms, shape (arms, width): standardized, over the root of their number.

        So contexts are about a unit apart, as sentence embeddings are. They are charged to the run once,
        also where they are found on disk.
        """
        import numpy as np

        path = place("npy", "states", *self._facts, self.shape.layer, self.shape.pooling)
        if not self.begun:
            self.box.charge(self.shape.arms * self._positions)
        kept = recalled(path)
        if kept is None:
            from apo.whitebox.reading import states

            inputs = (self._input(prompt) for prompt in self._prompts)
            with self.box.charged() as box:
                raw = states(box, inputs, self.shape.layer, self.shape.pooling).numpy()
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
        """The instructions of some arms; an empty one where the model wrote none. Charged like states."""
        path = place("json", "sentences", *self._facts, self.opening, self.shape.max_tokens)
        fresh = [key for key in keys if key not in self.told]
        if fresh:
            self.box.charge(len(fresh) * self._positions)
            kept = recalled(path)
            known = {} if kept is None else {key: (text, n) for key, (text, n) in json.loads(kept).items()}
            new = [key for key in fresh if key not in known]
            if new:
                known |= self._written(new)
                keep(path, json.dumps(known).encode())
            self.box.wrote(sum(known[key][1] for key in fresh))
            self.told.update((key, self.read(known[key][0])) for key in fresh)
        return [self.told[key] for key in keys]

    def _written(self, keys: Sequence[str]) -> dict[str, tuple[str, int]]:
        """What the model writes for arms, and how many tokens that takes."""
        from apo.whitebox.writing import write

        found: dict[str, tuple[str, int]] = {}
        # Always as many at once, so that what stands beside an arm never changes its text.
        for start in range(0, len(keys), DECODED_AT_ONCE):
            some = keys[start : start + DECODED_AT_ONCE]
            filled = [*some, *[some[-1]] * (DECODED_AT_ONCE - len(some))]
            inputs = [self._input(self._prompts[int(key.rpartition(":")[2])]) for key in filled]
            with self.box.charged() as box:
                written = write(box, inputs, max_tokens=self.shape.max_tokens, ended=self.ended)
            found |= {key: (one.text, one.tokens) for key, one in zip(some, written, strict=False)}
        return found

    @property
    def _positions(self) -> int:
        """That an arm takes up when it is read."""
        return self.shape.tokens + len(self._tokens)

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
