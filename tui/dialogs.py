"""Small questions in front of a screen: choices, the budget, and texts to read."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from apo.budget import Budget
from tui.format import line

ESCAPE = Binding("escape", "leave", "close", show=False)


class Choice(ModalScreen[str | None]):
    """A question with a button for each answer; the last one cancels, and has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ESCAPE,
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, question: str, answers: dict[str, str]) -> None:
        """`answers`: id to label, the harmless one last."""
        super().__init__()
        self.question, self.answers = question, answers

    def compose(self) -> ComposeResult:
        """The question and its buttons."""
        with Vertical(classes="dialog"):
            yield Static(self.question, markup=False)
            with Horizontal(classes="buttons"):
                for key, label in self.answers.items():
                    yield Button(Text(label), id=key)

    def on_mount(self) -> None:
        """The harmless answer has the focus."""
        self.query_one(f"#{list(self.answers)[-1]}").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """An answer; the last one is none."""
        chosen = event.button.id
        self.dismiss(None if chosen == list(self.answers)[-1] else chosen)

    def action_leave(self) -> None:
        """No answer."""
        self.dismiss(None)


class BudgetDialog(ModalScreen[Budget | None]):
    """Asks for the run's limits; an empty field means no limit."""

    BINDINGS: ClassVar[list[BindingType]] = [ESCAPE]
    FIELDS: ClassVar[dict[str, str]] = {
        "calls": "calls of models",
        "prompt_tokens": "prompt tokens",
        "completion_tokens": "completion tokens",
        "minutes": "minutes",
    }

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self.budget = budget

    def compose(self) -> ComposeResult:
        """A field for each limit."""
        b = self.budget
        minutes = None if b.seconds is None else b.seconds / 60
        now = {"calls": b.calls, "prompt_tokens": b.prompt_tokens, "completion_tokens": b.completion_tokens}
        with Vertical(classes="dialog"):
            yield Static(
                "The run's limits in all; empty: none. Enter sends them, escape cancels.", markup=False
            )
            for name, told in self.FIELDS.items():
                value = now.get(name, minutes)
                with Horizontal(classes="field"):
                    yield Label(told)
                    yield Input(
                        "" if value is None else f"{value:g}" if name == "minutes" else str(value), id=name
                    )
            yield Static(id="problem", markup=False)

    def on_input_submitted(self) -> None:
        """All fields together are the new budget."""
        try:
            values = {name: self._number(name) for name in self.FIELDS}
        except ValueError:
            self.query_one("#problem", Static).update("Give numbers above zero, or nothing.")
            return
        calls, prompt, completion, minutes = values.values()
        seconds = None if minutes is None else 60 * minutes
        self.dismiss(Budget(_whole(calls), _whole(prompt), _whole(completion), seconds))

    def _number(self, name: str) -> float | None:
        text = self.query_one(f"#{name}", Input).value.strip().replace(" ", "").replace(",", "")
        if not text:
            return None
        value = float(text)
        if not 0 < value < 1e15 or (name != "minutes" and value < 1):
            raise ValueError(text)
        return value

    def action_leave(self) -> None:
        """No new budget."""
        self.dismiss(None)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


class Reader(ModalScreen[None]):
    """A text over the whole screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ESCAPE,
        Binding("q", "leave", "close", show=False),
        Binding("question_mark", "leave", "close", show=False),
        Binding("j", "scroll('down')", show=False),
        Binding("k", "scroll('up')", show=False),
        Binding("G", "scroll('end')", show=False),
        Binding("g", "scroll('home')", show=False),
    ]

    def __init__(self, title: str, text: Text) -> None:
        super().__init__()
        self.heading, self.text = title, text

    def compose(self) -> ComposeResult:
        """The text, scrolling."""
        with VerticalScroll(classes="reader") as scroll:
            scroll.border_title = Text(line(self.heading, 80))
            scroll.border_subtitle = "escape closes"
            yield Static(self.text, markup=False)

    def on_mount(self) -> None:
        """Keys scroll at once."""
        self.query_one(VerticalScroll).focus()

    def action_scroll(self, where: str) -> None:
        """Move through the text."""
        scroll = self.query_one(VerticalScroll)
        {
            "down": scroll.scroll_down,
            "up": scroll.scroll_up,
            "end": scroll.scroll_end,
            "home": scroll.scroll_home,
        }[where]()

    def action_leave(self) -> None:
        """Back."""
        self.dismiss(None)
