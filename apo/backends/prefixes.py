"""Texts become tokens, and what many of them begin with only once.

The requests of a prompt differ in the input near their end; to make tokens of all the rest again for each of
them takes an eighth of the time that a small engine needs for a short answer. A text may be cut where a
pattern splits it into words anyway: the tokens of both parts are then those of the whole. Byte-level
tokenizers (GPT-2, Llama 3, Qwen, SmolLM) split between a letter or digit and a line's end, whatever follows
that. Of others, such as SentencePiece's, that is not known, and their texts are never cut.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tokenizers import Tokenizer

Encode = Callable[[str], list[int]]
PATTERNED = {"Sequence", "Split", "Digits", "ByteLevel"}
"""What the splitting of a byte-level tokenizer may be made of."""
KEPT = 256
"""Most prefixes whose tokens are kept."""


@dataclass
class Prefixes:
    """Tokens of texts; the same as those of `encode`, whatever the texts are."""

    encode: Encode
    _last: str = ""
    _known: dict[str, list[int] | None] = field(default_factory=dict)
    """Tokens of prefixes; None: of a text that may not be cut there."""

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text."""
        end = _cut(text, _alike(self._last, text))
        self._last = text
        if end == 0:
            return self.encode(text)
        prefix, rest = text[:end], text[end:]
        if prefix not in self._known:
            return self._learned(prefix, rest)
        head = self._known[prefix]
        return self.encode(text) if head is None else head + self.encode(rest)

    def _learned(self, prefix: str, rest: str) -> list[int]:
        """The tokens of both, which is seen to make no difference, or else never done again."""
        whole, head = self.encode(prefix + rest), self.encode(prefix)
        if len(self._known) == KEPT:
            del self._known[next(iter(self._known))]
        self._known[prefix] = head if head + self.encode(rest) == whole else None
        return whole


def byte_level(tokenizer: Any) -> Encode | None:
    """The encoding of a byte-level tokenizer of transformers, without special tokens; None: it is another."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        return None
    own = Tokenizer.from_str(backend.to_str())
    own.no_truncation()
    own.no_padding()
    kinds = set(_kinds(json.loads(own.to_str())["pre_tokenizer"]))
    if "ByteLevel" not in kinds or not kinds <= PATTERNED:
        return None
    return partial(_ids, own)


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def _kinds(pre_tokenizer: Any) -> Iterator[str]:
    """The kinds of a pre-tokenizer's parts."""
    if pre_tokenizer:
        yield pre_tokenizer["type"]
        for part in pre_tokenizer.get("pretokenizers", ()):
            yield from _kinds(part)


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike; os.path.commonprefix takes 15 times as long."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _cut(text: str, end: int) -> int:
    """The last place up to `end` where a letter or digit ends a line that goes on being alike; else 0."""
    place = text.rfind("\n", 0, end)
    while place > 0 and not text[place - 1].isalnum():
        place = text.rfind("\n", 0, place)
    return max(place, 0)
