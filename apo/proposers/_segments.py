"""An instruction in four parts, each chosen from a few texts: role, task, format and guidance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apo.errors import ConfigError
from apo.scorers import Choice, Numeric
from apo.task import Example, Scorer
from apo.view import SearchView

NAMES = ("role", "task", "format", "guidance")
BETWEEN = "\n"
MOST = 15
"""Texts of a part, as many as in the paper."""
GUIDES = 8
"""Train rows that may be shown as guidance; they are in no validation batch."""
ROLES = (
    "",
    "You are a careful expert.",
    "You answer briefly and exactly.",
    "You follow instructions to the letter.",
    "You check an answer before you give it.",
    "You are a patient teacher.",
)


@dataclass(frozen=True, slots=True)
class Segmented:
    """An instruction as a choice in each part."""

    texts: tuple[tuple[str, ...], ...]
    """Of each part; an empty one leaves the part out."""
    chosen: tuple[int, ...]
    """Which text stands in each part."""

    @property
    def instruction(self) -> str:
        """The parts that are there, one a line."""
        return BETWEEN.join(filter(None, self.parts))

    @property
    def parts(self) -> tuple[str, ...]:
        """The chosen texts."""
        return tuple(texts[n] for texts, n in zip(self.texts, self.chosen, strict=True))

    def having(self, part: int, choice: int) -> "Segmented":
        """The same with another text in one part."""
        return Segmented(self.texts, (*self.chosen[:part], choice, *self.chosen[part + 1 :]))


def segmented(instruction: str, banks: Mapping[str, Sequence[str]]) -> Segmented:
    """An instruction in parts: the texts of the banks that it begins and ends with; the task is the rest."""
    rest, found = instruction, dict.fromkeys(NAMES, "")
    for name in ("role", "guidance", "format"):
        for text in sorted(filter(None, banks[name]), key=len, reverse=True):
            cut = _without(rest, text, at_end=name != "role")
            if cut is not None:
                rest, found[name] = cut, text
                break
    found["task"] = rest
    texts = tuple(tuple(dict.fromkeys((found[name], *banks[name])))[:MOST] for name in NAMES)
    return Segmented(texts, (0,) * len(NAMES))


def _without(text: str, part: str, at_end: bool) -> str | None:
    """A text without a part at its end or beginning; None if it is not there."""
    if text == part:
        return ""
    if at_end:
        return text.removesuffix(BETWEEN + part) if text.endswith(BETWEEN + part) else None
    return text.removeprefix(part + BETWEEN) if text.startswith(part + BETWEEN) else None


def known(view: SearchView, guides: Sequence[Example]) -> dict[str, tuple[str, ...]]:
    """Texts for each part from what a search knows of its task; the same at any point of it."""
    seed = view.history.candidates["c0"].prompt.instruction
    worked = (f"For example: {BETWEEN}{row.input}{BETWEEN}{row.target}" for row in guides)
    return {
        "role": ROLES,
        "task": tuple(dict.fromkeys(filter(None, (seed, view.description)))) or ("",),
        "format": ("", *_formats(view.scorer)),
        "guidance": ("", "Think of what the input asks for before you answer.", *worked),
    }


def read(path: Path) -> dict[str, tuple[str, ...]]:
    """Texts for each part from a YAML file: lists under role, task, format and guidance.

    Raises:
        ConfigError: it cannot be read, or something else stands in it.
    """
    try:
        found = msgspec.yaml.decode(path.read_bytes(), type=dict[str, list[str]])
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as lists of texts: {error}") from error
    if set(found) - set(NAMES) or not all(found.values()):
        raise ConfigError(
            f"{path} must hold lists of texts under some of {', '.join(NAMES)}, none of them empty; it has "
            f"{', '.join(f'{name} ({len(texts)})' for name, texts in found.items())}."
        )
    return {name: tuple(text.strip() for text in found.get(name, [""])) for name in NAMES}


def _formats(scorer: Scorer) -> tuple[str, ...]:
    if isinstance(scorer, Choice):
        labels = ", ".join(scorer.labels)
        return (
            f"Answer with one of: {labels}.",
            f"Possible answers: {labels}. Give one of them and nothing else.",
            "Give the label only.",
        )
    if isinstance(scorer, Numeric):
        return ("Give the number only.", "End with the number that is the answer.", "Answer in digits.")
    return (
        "Give the answer only, in one line.",
        "Answer without explaining.",
        "Answer in as few words as you can.",
    )
