"""Where a person writes a candidate: instruction, and exemplars as lines of JSON."""

from dataclasses import replace
from typing import ClassVar

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from apo.prompt import Exemplar, Layout, Prompt
from apo.words import printable

HINT = "ctrl+s sends it · tab goes to the other field · escape cancels"


class PlainArea(TextArea):
    """A text area that takes no control characters, pasted ones included."""

    async def _on_paste(self, event: events.Paste) -> None:
        event.text = printable(event.text)
        await super()._on_paste(event)


class Editor(ModalScreen[Prompt | None]):
    """Edits a prompt; candidates never change, so what is saved is a new one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "send", show=False, priority=True),
        Binding("escape", "leave", "cancel", show=False, priority=True),
    ]

    def __init__(self, title: str, prompt: Prompt) -> None:
        super().__init__()
        self.heading, self.prompt = title, prompt

    def compose(self) -> ComposeResult:
        """Two fields."""
        with Vertical(classes="editor") as box:
            box.border_title = self.heading
            box.border_subtitle = HINT
            yield Static("Instruction", markup=False)
            yield PlainArea(printable(self.prompt.instruction), id="instruction", tab_behavior="focus")
            yield Static('Exemplars, one a line: {"input": "…", "output": "…"}', markup=False)
            lines = (encode(e) for e in self.prompt.exemplars)
            yield PlainArea(printable("\n".join(lines)), id="exemplars", tab_behavior="focus")
            yield Static(id="problem", markup=False)

    def action_save(self) -> None:
        """Send what is written, if it is a prompt."""
        instruction = self.query_one("#instruction", TextArea).text.strip()
        try:
            exemplars = decode(self.query_one("#exemplars", TextArea).text)
        except ValueError as error:
            self.query_one("#problem", Static).update(str(error))
            return
        if not instruction and not exemplars:
            self.query_one("#problem", Static).update("Write an instruction, or give exemplars.")
            return
        self.dismiss(replace(self.prompt, instruction=instruction, exemplars=exemplars))

    def action_leave(self) -> None:
        """No new candidate."""
        self.dismiss(None)


def encode(exemplar: Exemplar) -> str:
    """An exemplar as one line of JSON."""
    kept = {"input": exemplar.input, "output": exemplar.output}
    return msgspec.json.encode(kept | ({"source": exemplar.source} if exemplar.source else {})).decode()


def decode(text: str) -> tuple[Exemplar, ...]:
    """Exemplars from lines of JSON.

    Raises:
        ValueError: naming the line that is none.
    """
    found = []
    for number, written in enumerate(text.splitlines(), 1):
        if not written.strip():
            continue
        try:
            found.append(msgspec.json.decode(written.encode(), type=Exemplar))
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            raise ValueError(f"Exemplar line {number}: {error}.") from error
    return tuple(found)


EMPTY = Prompt("", (), Layout())
"""What a new candidate begins as."""
