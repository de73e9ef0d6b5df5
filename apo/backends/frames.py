"""What a run and its engine's process say to each other, as msgpack frames over a socket.

A frame holds all that there is to say: at a few milliseconds a request each frame of its own would be felt.
"""

import msgspec

from apo.backends import Request
from apo.prompt import Message

PROBE = (
    Message("system", "Answer briefly."),
    Message("user", "One, two?"),
    Message("assistant", "Three."),
    Message("user", "Four?"),
)
"""A chat with every role; how it becomes tokens tells chat template and tokenizer."""


class Ask(msgspec.Struct, frozen=True, tag=True):
    """Requests in the asker's order, each under a number that is never used again."""

    requests: list[tuple[int, Request]]


class Drop(msgspec.Struct, frozen=True, tag=True):
    """Nobody waits for these any more."""

    numbers: list[int]


class Quit(msgspec.Struct, frozen=True, tag=True):
    """The engine is not needed any more."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The first frame from the engine: it is loaded."""

    version: str
    """Of vLLM."""
    context: int
    """Most tokens of prompt and answer together."""
    batch: int
    """Most requests that it works on at once; others wait in its queue."""
    probe: list[int]
    """The tokens of PROBE, with the generation prompt; none: the model's template does not take it."""


class Answer(msgspec.Struct, frozen=True, tag=True):
    """What became of a request that the engine took."""

    number: int
    text: str
    prompt_tokens: int
    completion_tokens: int
    finish: str
    """`stop`, `length`, or a reason that is none of the model's."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The engine does not take a request."""

    number: int
    message: str


class Answered(msgspec.Struct, frozen=True, tag=True):
    """What became of some requests; of none: answers are being written, though none has ended."""

    results: list[Answer | Refused]


ToEngine = Ask | Drop | Quit
FromEngine = Ready | Answered
pack = msgspec.msgpack.Encoder().encode
to_engine: msgspec.msgpack.Decoder[ToEngine] = msgspec.msgpack.Decoder(ToEngine)
from_engine: msgspec.msgpack.Decoder[FromEngine] = msgspec.msgpack.Decoder(FromEngine)
