"""Train rows as a white box reads them: an instruction, the task model's reasoning, the gold answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from apo.backends import Request
from apo.nearest import resolve
from apo.prompt import Prompt, render, stops
from apo.proposers._extraction import gold
from apo.task import Example
from apo.view import SearchView
from apo.whitebox import Opened
from apo.whitebox.framing import answer_tokens, frame, text_of, tokens
from apo.whitebox.passages import Passage

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Examples:
    """Rows around one prompt, whose instruction varies."""

    view: SearchView
    opened: Opened
    prompt: Prompt
    rows: tuple[Example, ...]
    extractor: str = ""
    """Follows the reasoning; unused without any."""
    reasoning: int = 0
    """Most tokens that the task model writes before the extractor; 0: the answer follows the prompt."""
    told: dict[Tokens, list[str | None]] = field(default_factory=dict)
    """By instruction, what the task model wrote for each row; None where it did not answer."""

    @cached_property
    def frames(self) -> list[tuple[Prompt, Tokens, str]]:
        """Of each row the prompt that asks it, the tokens before its instruction, and the text behind."""
        embed = self.view.embed
        shown = [resolve(self.prompt, row.input, row.id, embed) for row in self.rows]
        return [(one, *frame(self.opened, one, row)) for one, row in zip(shown, self.rows, strict=True)]

    @cached_property
    def answers(self) -> list[Tokens]:
        """The gold answer of each row, in tokens.

        Raises:
            ConfigError: one does not begin with a token of its own.
        """
        scorer = self.view.scorer
        return [
            answer_tokens(self.opened, self.extractor if self.reasoning else behind, gold(scorer, row))
            for row, (_, _, behind) in zip(self.rows, self.frames, strict=True)
        ]

    def check(self) -> None:
        """Refuse an extractor after which a gold answer does not begin with a token of its own.

        Raises:
            ConfigError: it shows the tokens.
        """
        _ = self.answers

    def missing(self, prompts: Sequence[Tokens]) -> int:
        """Calls that it takes to know the reasoning for all these instructions."""
        new = {prompt for prompt in prompts if prompt not in self.told}
        return len(new) * len(self.rows) if self.reasoning else 0

    def reason(self, prompts: Sequence[Tokens]) -> None:
        """Let the task model reason with each of these instructions on each row, in one wide batch."""
        new = [*dict.fromkeys(prompt for prompt in prompts if prompt not in self.told)]
        if not self.reasoning:
            self.told.update((prompt, [""] * len(self.rows)) for prompt in new)
            return
        replies = self.view.model.answers([self._request(p, n) for p in new for n in range(len(self.rows))])
        for place, prompt in enumerate(new):
            own = replies[place * len(self.rows) : (place + 1) * len(self.rows)]
            self.told[prompt] = [None if reply is None else reply.text for reply in own]

    def passages(self, prompt: Tokens, read: Tokens | None = None) -> list[Passage | None]:
        """Each row with an instruction and the reasoning for it, or for another one that was `read`.

        None where there is no reasoning, or where all together is longer than the context.
        """
        told = self.told[prompt if read is None else read]
        found: list[Passage | None] = []
        for reasoning, (_, before, behind), answer in zip(told, self.frames, self.answers, strict=True):
            if reasoning is None:
                found.append(None)
                continue
            text = f"{behind}{reasoning.rstrip()}{self.extractor}" if self.reasoning else behind
            passage = Passage(before, prompt, tokens(self.opened, text), answer)
            found.append(passage if len(passage.tokens) <= self.context else None)
        return found

    @property
    def context(self) -> int:
        """Most tokens of a passage."""
        own = int(getattr(self.opened.model.config, "max_position_embeddings", 1 << 30))
        return own if self.view.context is None else min(own, self.view.context)

    def _request(self, prompt: Tokens, place: int) -> Request:
        row, shown = self.rows[place], self.frames[place][0]
        asked = replace(shown, instruction=text_of(self.opened, prompt))
        return Request(render(asked, row.input, row.id), self.reasoning, stop=stops(asked))


@dataclass(frozen=True, slots=True)
class Compared:
    """What instructions are worth on the rows that all of them can be read on."""

    values: list[float]
    """The lower the better; empty where there is no such row."""
    rows: int


def compare(
    examples: Examples,
    prompts: Sequence[Tokens],
    fluency: float,
    temperature: float,
    by: Literal["loss", "errors"],
) -> Compared:
    """Instructions by their loss, or by their share of wrong answers (ties: by fluency).

    Rows on which a loss is not finite are left out.

    Raises: as `apo.whitebox.gradients.losses`, and as `Examples.answers`.
    """
    import torch

    from apo.whitebox.gradients import losses

    examples.reason(prompts)
    columns = zip(*(examples.passages(prompt) for prompt in prompts), strict=True)
    rows = [[p for p in column if p is not None] for column in columns if None not in column]
    if not rows:
        return Compared([], 0)
    found = losses(examples.view.whitebox, [p for row in rows for p in row], temperature)
    answer, natural, right = (
        part.reshape(len(rows), len(prompts)) for part in (found.answer, found.fluency, found.right)
    )
    finite = torch.isfinite(answer + natural).all(1)
    if by == "errors":
        # The released code's weight: a tenth of the loss's.
        answer, fluency = (~right).to(answer), fluency / 10
    values = (answer + fluency * natural)[finite].mean(0)
    return Compared(values.tolist() if finite.any() else [], int(finite.sum()))
