"""Language models behind one method: requests in, completions out, failures as values."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from apo.candidate import Failure, Usage
from apo.prompt import Rendered


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to ask for."""

    rendered: Rendered
    """Chat messages, or the text that a plain completion goes on from."""
    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None
    """Makes a draw at temperature above 0 repeatable, as far as the server supports it."""
    stop: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    """If set, the answer is one of these (vLLM's structured outputs)."""
    tag: str = ""
    """The asker's own mark; it is not sent."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back."""

    text: str
    usage: Usage
    cut_off: bool = False
    """The text was stopped by the token limit."""
    failure: Failure | None = None
    """Why there is no text; then `text` is empty."""


class Backend(Protocol):
    """A language model. Failures of single requests are values; a raised error means it is broken."""

    def stream(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer every request once, in the order that answers arrive.

        Pulls requests lazily and keeps the server busy. Closing the iterator drops what is still
        under way.
        """
        ...
