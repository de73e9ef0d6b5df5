"""Examples in tokens: what of them is optimised, what is a target, and where a slot lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Passage:
    """One example in tokens."""

    before: tuple[int, ...]
    """Ahead of the prompt; at least one token, which predicts the prompt's first."""
    prompt: tuple[int, ...]
    """What is optimised; may be empty."""
    after: tuple[int, ...]
    """Between the prompt and the answer: the input, the model's own reasoning, the extractor."""
    answer: tuple[int, ...]
    """The gold answer; at least one token."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """All of it."""
        return self.before + self.prompt + self.after + self.answer


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the prompts of passages, and what may stand there; one of it does, in each of them."""

    place: int
    """Of the slot's first token in the prompt."""
    choices: tuple[tuple[int, ...], ...]
    """Token sequences; an empty one leaves the place out, and then no other can be told from it."""
    current: int
    """Which of them stands there now."""

    @property
    def now(self) -> int:
        """Tokens of the current choice."""
        return len(self.choices[self.current])

    @property
    def longest(self) -> int:
        """Tokens of the longest choice, to which all are padded."""
        return max(map(len, self.choices))


@dataclass(frozen=True)
class Line:
    """A passage as it enters a batch: without the tokens that all begin with, and with room for the slot."""

    passage: Passage
    begun: int
    """Tokens that all passages begin with; none of them in the slot."""
    slot: Slot | None = None

    @cached_property
    def start(self) -> int:
        """Where the slot begins; without one, the end."""
        passage = self.passage
        return len(passage.tokens) if self.slot is None else len(passage.before) + self.slot.place

    @cached_property
    def head(self) -> tuple[int, ...]:
        """What lies before the slot."""
        return self.passage.tokens[self.begun : self.start]

    @cached_property
    def tail(self) -> tuple[int, ...]:
        """What lies behind it."""
        return self.passage.tokens[self.start + (self.slot.now if self.slot else 0) :]

    @cached_property
    def prompt(self) -> Sequence[int]:
        """Where the prompt's tokens lie in the passage."""
        begin = len(self.passage.before)
        return range(begin, begin + len(self.passage.prompt))

    @cached_property
    def answer(self) -> Sequence[int]:
        """Where the answer's tokens lie in the passage."""
        length = len(self.passage.tokens)
        return range(length - len(self.passage.answer), length)

    def predictor(self, place: int) -> int:
        """Where in the line the token lies that predicts the one at a place of the passage; negative for
        one that all begin with, counted from their end."""
        before = place - 1 - self.begun
        padding = self.slot.longest - self.slot.now if self.slot and place > self.start else 0
        return before + padding
