"""Which tokens may stand at a place of a prompt: those that are natural there for every example."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from apo.whitebox import Opened, WhiteBox
from apo.whitebox.framing import ahead, survives, text_of, tokens

READABLE = re.compile(r" ?[^\W\d_]+|[.,]")
"""A word or a part of one, full stop, comma: the released code's rule, for the letters of any language."""
WIDEST = 16
"""Times the likeliest tokens are looked at where too few are common."""
DRAWS, DRAWN = 6, 5
"""Of the released code's union: draws, and examples in each."""


@dataclass(frozen=True, slots=True)
class Natural:
    """What may stand at a place."""

    tokens: tuple[int, ...]
    """In the order of their mean rank."""
    broken: int
    """Tokens that were left out because the prompt would read as other tokens."""


@dataclass(frozen=True)
class Source:
    """Next-token candidates, from what a model expects after an input and the prompt so far."""

    box: WhiteBox
    opened: Opened
    inputs: Sequence[str]
    top: int
    kind: Literal["intersection", "union"]

    def natural(self, prompt: Sequence[int], place: int, least: int, rng: Random) -> Natural:
        """At least `least` tokens for a place in a prompt, if so many can be found; else what there is.

        The token that stands there and the one before it are not among them. The first token of a prompt
        is taken without the space that a model may expect between it and the input.
        """
        from apo.whitebox.gradients import likeliest

        contexts = [(*ahead(self.opened, text), *prompt[:place]) for text in self.inputs]
        vocabulary = int(self.opened.model.config.vocab_size)
        ranked = likeliest(self.box, contexts, min(vocabulary, WIDEST * self.top))
        barred = {*prompt[max(0, place - 1) : place + 1]}
        count, found = self.top, Natural((), 0)
        while count <= WIDEST * self.top:
            common = self._common([ranks[:count] for ranks in ranked], rng)
            begun = common if place else self._bare(common)
            found = self._readable([one for one in begun if one not in barred], prompt, place)
            if len(found.tokens) >= least:
                break
            count *= 2
        return found

    def _common(self, ranked: Sequence[Sequence[int]], rng: Random) -> list[int]:
        """What all examples have in common, or what any draw of them has, by mean rank."""
        groups = [ranked]
        if self.kind == "union":
            groups = [rng.sample(ranked, min(DRAWN, len(ranked))) for _ in range(DRAWS)]
        found = {token for group in groups for token in set(group[0]).intersection(*group[1:])}

        def rank(token: int) -> tuple[int, int]:
            places = (ranks.index(token) if token in ranks else len(ranks) for ranks in ranked)
            return sum(places), token

        return sorted(found, key=rank)

    def _bare(self, found: Sequence[int]) -> list[int]:
        """Tokens without their spaces, where that leaves one token."""
        bare = (tokens(self.opened, text_of(self.opened, [one]).strip()) for one in found)
        return [*dict.fromkeys(ids[0] for ids in bare if len(ids) == 1)]

    def _readable(self, found: Sequence[int], prompt: Sequence[int], place: int) -> Natural:
        """Those that are words, and with which the prompt stays what it is when it is read again."""
        special = set(self.opened.tokenizer.all_special_ids)
        words = [
            one for one in found if one not in special and READABLE.fullmatch(text_of(self.opened, [one]))
        ]
        whole = [one for one in words if survives(self.opened, (*prompt[:place], one, *prompt[place + 1 :]))]
        return Natural(tuple(whole), len(words) - len(whole))
