"""A prompt (instruction, exemplars, layout) and how it becomes the text that a model receives.

Rendering joins parts; it never substitutes into text, so braces or markers in a
model-written instruction mean nothing.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

import msgspec

Form = Literal["turns", "fields", "flat", "completion"]
FORMS: tuple[Form, ...] = ("turns", "fields", "flat", "completion")
Place = Literal["system", "first", "last"]
PLACES: tuple[Place, ...] = ("system", "first", "last")
PLACEHOLDER = "{{input}}"


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A worked example shown inside a prompt."""

    input: str
    output: str
    source: str = ""
    """Id of the data row it was made from; that row is never shown its own answer."""

    @property
    def row(self) -> str:
        """What it was made from, which no two exemplars of a list share: its row, or else its input."""
        return self.source or self.input


@dataclass(frozen=True, slots=True)
class Layout:
    """How instruction, exemplars and input become messages."""

    form: Form = "turns"
    """`turns`: each exemplar is a user and an assistant turn; `fields`: the same, with the labels
    written into the turns; `flat`: one text in one user turn; `completion`: one text, no chat template."""
    place: Place = "system"
    """Where the instruction stands: a system message, opening the first user turn, or right before the
    input, after the exemplars. One text has no system message, so there `system` reads like `first`."""
    input_label: str = "Input"
    output_label: str = "Answer"
    separator: str = "\n\n"
    """Stands between the blocks of one text, and between the instruction and the turn that it opens."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is being optimised: an instruction, the exemplars that follow it, and their layout."""

    instruction: str
    exemplars: tuple[Exemplar, ...] = ()
    layout: Layout = Layout()
    nearest: int | None = None
    """If set, the exemplars are a pool, of which each input is shown so many, those nearest to it; at
    least 1. `apo.nearest` resolves it."""

    def __post_init__(self) -> None:
        """Check the number."""
        if self.nearest is not None and self.nearest < 1:
            raise ValueError(f"nearest must be at least 1, or null for a fixed list, not {self.nearest}")

    @property
    def longest(self) -> tuple[Exemplar, ...]:
        """The exemplars that an input is shown; of a pool, the longest ones that it may be shown."""
        if self.nearest is None:
            return self.exemplars
        by_length = sorted(self.exemplars, key=lambda e: len(e.input) + len(e.output), reverse=True)
        return tuple(by_length[: self.nearest])

    @property
    def digest(self) -> str:
        """Identity of what the model receives: 16 hex digits, equal for prompts that read the same."""
        rendered = render(self, PLACEHOLDER)
        plain: object = (
            rendered if isinstance(rendered, str) else [msgspec.structs.asdict(m) for m in rendered]
        )
        if self.nearest is not None:
            plain = [self.nearest, plain]
        return hashlib.sha256(json.dumps(plain, ensure_ascii=True).encode()).hexdigest()[:16]


class Message(msgspec.Struct, frozen=True, gc=False):
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


Rendered = tuple[Message, ...] | str
"""What a model receives: chat messages, or the plain text of a completion."""


def as_text(rendered: Rendered) -> str:
    """All that the model receives, as one text."""
    if isinstance(rendered, str):
        return rendered
    return "\n".join(message.content for message in rendered)


def render(prompt: Prompt, text: str, source: str = "") -> Rendered:
    """The prompt around one input. If that is row `source` of the data, an exemplar made from it, or
    from a row with the same input, is left out. Of a prompt that shows the nearest the whole pool is
    written; resolve it first."""
    shown = visible(prompt, text, source)
    layout = prompt.layout
    if layout.form in ("flat", "completion"):
        flat = _flat(prompt.instruction, shown, text, layout)
        return flat if layout.form == "completion" else (Message("user", flat),)
    return _turns(prompt.instruction, shown, text, layout)


def visible(prompt: Prompt, text: str, source: str) -> list[Exemplar]:
    """The exemplars that do not tell an input its own answer, if it is row `source` of the data."""
    return [e for e in prompt.exemplars if not source or (e.source != source and e.input != text)]


def stops(prompt: Prompt) -> tuple[str, ...]:
    """Where a plain completion ends: at the line end, unless exemplars answer in several lines, and where
    the next block would begin. A chat ends by itself."""
    layout = prompt.layout
    if layout.form != "completion":
        return ()
    block = f"{layout.separator}{layout.input_label}:"
    if any("\n" in e.output for e in prompt.exemplars):
        return (block,)
    return ("\n",) if block.startswith("\n") else ("\n", block)


def _flat(instruction: str, exemplars: list[Exemplar], text: str, layout: Layout) -> str:
    blocks = [f"{layout.input_label}: {e.input}\n{layout.output_label}: {e.output}" for e in exemplars]
    if instruction:
        blocks.insert(len(blocks) if layout.place == "last" else 0, instruction)
    blocks.append(f"{layout.input_label}: {text}\n{layout.output_label}:")
    return layout.separator.join(blocks)


def _turns(instruction: str, exemplars: list[Exemplar], text: str, layout: Layout) -> tuple[Message, ...]:
    fields = layout.form == "fields"

    def ask(value: str) -> str:
        return f"{layout.input_label}: {value}\n{layout.output_label}:" if fields else value

    turns: list[Message] = []
    for e in exemplars:
        turns += [Message("user", ask(e.input)), Message("assistant", e.output)]
    turns.append(Message("user", ask(text)))
    if not instruction:
        return tuple(turns)
    if layout.place == "system":
        return (Message("system", instruction), *turns)
    opened = len(turns) - 1 if layout.place == "last" else 0
    turns[opened] = Message("user", f"{instruction}{layout.separator}{turns[opened].content}")
    return tuple(turns)
