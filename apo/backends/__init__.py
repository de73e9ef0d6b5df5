"""Language models behind one method: requests in, completions out, failures as values."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from apo.candidate import Failure, Usage
from apo.prompt import Rendered


class Request(msgspec.Struct, frozen=True, gc=False):
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


class Completion(msgspec.Struct, frozen=True, gc=False):
    """What came back."""

    text: str
    usage: Usage
    cut_off: bool = False
    """The text was stopped by the token limit."""
    failure: Failure | None = None
    """Why there is no text; then `text` is empty."""


Answer = tuple[Request, Completion]


class Backend(Protocol):
    """A language model. Failures of single requests are values; a raised error means it is broken."""

    def stream(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request once, in the order that answers arrive.

        Pulls requests lazily and keeps the server busy. Closing the iterator drops what is still
        under way.
        """
        ...


def unmarked(request: Request) -> Request:
    """A request without its asker's mark, which does not change the answer."""
    return msgspec.structs.replace(request, tag="")


def drop(stream: Iterator[Answer]) -> None:
    """Close a stream, so that its backend drops what is under way."""
    close = getattr(stream, "close", None)
    if close is not None:
        close()
