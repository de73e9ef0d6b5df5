"""The white box: one transformers model for components that need more of it than texts.

It is opened on first use. Whatever is done with it is timed and counted under a role of its own,
`whitebox`, and stops where the budget ends. Importing this loads nothing heavy.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from apo.budget import Budget, Spend, used
from apo.errors import ConfigError, SpentError

if TYPE_CHECKING:
    import torch

Pooling = Literal["last", "mean", "max"]
"""Which states of a sequence stand for it: the last token's, the mean, or the highest of each dimension."""


@dataclass(frozen=True)
class Opened:
    """A model in memory. Its weights are frozen: gradients are asked for inputs, not for them."""

    model: Any
    """A transformers causal language model, in evaluation mode."""
    tokenizer: Any
    name: str
    """What identifies the weights: results that are kept on disk are kept under it."""
    memory: int
    """Bytes for work, besides the weights."""
    threads: int = 1
    """Cores that it may use where it computes on them."""

    @property
    def device(self) -> "torch.device":
        """Where it computes."""
        return next(self.model.parameters()).device  # type: ignore[no-any-return]

    @property
    def dtype(self) -> "torch.dtype":
        """Its numbers: bfloat16 where the hardware has it."""
        return next(self.model.parameters()).dtype  # type: ignore[no-any-return]

    @property
    def width(self) -> int:
        """Dimensions of a hidden state and of a token's embedding."""
        return int(self.model.get_input_embeddings().weight.shape[1])

    def rows(self, length: int, most: int = 64, gradients: bool = False) -> int:
        """How many sequences of so many tokens fit the memory at once, by a cautious estimate; at least 1.

        Counted are the states of every layer and one layer's inner ones; with `gradients` the inner ones
        of every layer, which are then kept.
        """
        config = self.model.config
        layers, width = config.num_hidden_layers, config.hidden_size
        inner = 8 * width + 3 * getattr(config, "intermediate_size", 4 * width)
        kept = layers * width + inner * (layers if gradients else 1)
        logits = config.vocab_size * (4 if gradients else 1)
        token = self.dtype.itemsize * kept + 4 * logits / (1 if gradients else max(length, 1))
        return max(1, min(most, int(self.memory / (2 * token * max(length, 1)))))


Opener = Callable[[], Opened]
"""Gives the model; the same one each time."""


def closed() -> Opened:
    """Where no weights were named.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(
        "This component looks into a model's weights, and none are at hand. Name a model folder or a hub "
        "id with --whitebox-model."
    )


class WhiteBox:
    """The model for one step; `spend` says what was used: positions passed forward as prompt tokens,
    generated tokens as completion tokens, and seconds."""

    def __init__(
        self,
        opener: Opener = closed,
        limit: Budget | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._opener, self._limit, self._clock = opener, limit or Budget(), clock
        self.spend = Spend()
        self.problem = ""
        """What went wrong and did not end the work, in a line."""

    @property
    def opened(self) -> Opened:
        """The model, loaded if it was not yet.

        Raises:
            ConfigError: there is none, or it cannot be loaded.
        """
        begun = self._clock()
        opened = self._opener()
        self.spend += Spend(seconds=self._clock() - begun)
        return opened

    @contextmanager
    def working(self, prompt_tokens: int) -> Iterator[None]:
        """One batch of work, with so many positions passed forward; charged even if it fails.

        Raises:
            SpentError: a limit is reached already.
        """
        if used(self._limit, self.spend, self.spend.seconds) >= 1:
            raise SpentError("The budget ended while the white box worked.")
        begun = self._clock()
        try:
            yield
        finally:
            self.spend += Spend(prompt_tokens=prompt_tokens, seconds=self._clock() - begun)

    def charge(self, prompt_tokens: int) -> None:
        """Charge, before it is done, work that may be found done on disk: it costs the same then.

        Raises:
            SpentError: it is more than is left; nothing is charged.
        """
        more = self.spend + Spend(prompt_tokens=prompt_tokens)
        if used(self._limit, more, more.seconds) > 1:
            raise SpentError("The budget ends before what the white box has to read.")
        self.spend = more

    @contextmanager
    def charged(self) -> Iterator["WhiteBox"]:
        """A box for work that has been charged: of it only the seconds count."""
        aside = WhiteBox(self._opener, clock=self._clock)
        try:
            yield aside
        finally:
            self.spend += Spend(seconds=aside.spend.seconds)

    def wrote(self, tokens: int) -> None:
        """Charge generated tokens."""
        self.spend += Spend(completion_tokens=tokens)
