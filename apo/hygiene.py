"""Which proposals become candidates: the rest are discarded with a reason that is counted."""

import re
from collections.abc import Sequence

from apo.candidate import Proposal
from apo.events import Discard
from apo.view import SearchView

MOST_CHARACTERS = 4000
"""Of an instruction; longer ones are rambling, and every row pays for them."""
LEAST_COPIED = 20
"""Characters of a dev input that count as copied; shorter ones stand in any text."""
TEMPLATE = re.compile(
    r"</?think>|<\|[^|>\n]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?s>|<start_of_turn>|<end_of_turn>"
    r"|</?(?:instruction|prompt|answer|INS|START|END)>",
    re.IGNORECASE,
)
"""Marks of chat templates, of reasoning and of our own requests, leaked into a proposal."""


def inspect(
    proposals: Sequence[Proposal], view: SearchView, by_hand: bool = False
) -> tuple[list[Proposal], list[Discard]]:
    """Part proposals into those worth evaluating and those not, in order.

    What a person wrote may be long and may hold marks that a model's slip would leave.
    """
    kept: list[Proposal] = []
    discarded: list[Discard] = []
    tried, seen = view.history.tried, set[str]()
    dev = [plain for row in view.dev if len(plain := _plain(row.input)) >= LEAST_COPIED]
    for proposal in proposals:
        fresh = proposal.prompt.instruction not in tried.instructions
        reason = (_text_fault(proposal, dev, by_hand) if fresh else None) or _fault(proposal, view)
        digest = proposal.prompt.digest
        if reason is None and (digest in seen or digest in tried.digests):
            reason = "duplicate"
        if reason is None:
            seen.add(digest)
            kept.append(proposal)
        else:
            discarded.append(Discard(reason, proposal.prompt.instruction[:200]))
    return kept, discarded


def _fault(proposal: Proposal, view: SearchView) -> str | None:
    """Why a prompt is not worth evaluating, whoever wrote its instruction; or None."""
    if not proposal.prompt.instruction.strip() and not proposal.prompt.exemplars:
        return "empty"
    return None if view.fits(proposal.prompt) else "does not fit the context"


def _text_fault(proposal: Proposal, dev: Sequence[str], by_hand: bool) -> str | None:
    """What is wrong with an instruction that was written just now, or None."""
    instruction = proposal.prompt.instruction
    if proposal.cut_off:
        return "cut off"
    if not instruction.strip() and not by_hand:
        return "empty"
    if TEMPLATE.search(instruction) and not by_hand:
        return "template text"
    if len(instruction) > MOST_CHARACTERS and not by_hand:
        return "too long"
    plain = _plain(instruction)
    return "copied dev row" if any(row in plain for row in dev) else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
