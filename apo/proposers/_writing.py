"""Asking a model for instructions and reading them from its replies; shared by the proposers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

from apo.candidate import Candidate, Proposal
from apo.metering import Reply
from apo.prompt import Message
from apo.task import Example
from apo.view import SearchView

OPEN, CLOSE = "<INS>", "</INS>"
"""Between these a model is asked to put an instruction."""
ANSWER_ONLY = f"Write the instruction between {OPEN} and {CLOSE}, and nothing else."
TEMPERATURE = 1.0
WORDS, CONTEXT_SHARE = 512, 8
"""Most tokens of a reply, and of the task model's context no more than one in so many: a longer instruction
would leave little room for exemplars, and a small model that rambles on holds a whole step up."""

_MARKED = re.compile(re.escape(OPEN) + r"(.*?)" + re.escape(CLOSE), re.DOTALL | re.IGNORECASE)
_THINKING = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"^```\w*\n(.*?)\n?```$", re.DOTALL)
_ITEM = re.compile(r"^[ \t]*(?:\d{1,3}[.)]|[-*•])[ \t]+(\S.*)$", re.MULTILINE)
_LABEL = re.compile(r"^(?:(?:new|improved|revised|better)\s+)?(?:instruction|prompt)\s*:\s*", re.IGNORECASE)
_QUOTES = {'"': '"', "'": "'", "“": "”"}


def chat(*parts: str) -> tuple[Message, ...]:
    """One user turn of paragraphs; parts are joined, never substituted into."""
    return (Message("user", "\n\n".join(part for part in parts if part)),)


def ask(view: SearchView, chats: Sequence[tuple[Message, ...]], rng: Random) -> list[Reply | None]:
    """A reply to each request, in order; None where the call failed or was not allowed any more."""
    most = WORDS if view.context is None else min(WORDS, max(1, view.context // CONTEXT_SHARE))
    return view.model.ask(chats, rng, max_tokens=most, temperature=TEMPERATURE)


def pairs(rows: Iterable[Example]) -> str:
    """Rows as input and output lines."""
    return "\n\n".join(f"Input: {row.input}\nOutput: {row.target}" for row in rows)


def about(description: str) -> str:
    """What the task is, if its author said so."""
    return f"The task: {description}" if description else ""


def clip(text: str, most: int) -> str:
    """The beginning of a text in at most `most` characters, with a mark where it was cut."""
    return text if len(text) <= most else f"{text[: max(0, most - 1)]}…"


def read_instruction(text: str) -> str:
    """The instruction in a reply: between the marks, or the reply without wrapping around it."""
    text = _THINKING.sub("", text)
    marked = _MARKED.search(text)
    return _unwrapped(marked.group(1) if marked else text)


def read_instructions(reply: Reply) -> list[str]:
    """All instructions in a reply: between marks; without any the items of a list, or the whole reply."""
    text = _THINKING.sub("", reply.text)
    found = _MARKED.findall(text)
    if not found:
        found = _ITEM.findall(text) or [text]
        found = found[:-1] if reply.cut_off else found
    return [_unwrapped(one) for one in found]


def _unwrapped(text: str) -> str:
    """An instruction without fence, label and quotes around it."""
    found = text.strip()
    fenced = _FENCE.match(found)
    found = (fenced.group(1) if fenced else found).strip()
    found = _LABEL.sub("", found)
    if len(found) > 1 and _QUOTES.get(found[0]) == found[-1]:
        found = found[1:-1].strip()
    return found


def cut_off(reply: Reply) -> bool:
    """Whether an instruction is not whole; marks that were closed hold one, whatever came after them."""
    return reply.cut_off and _MARKED.search(reply.text) is None


def proposals(
    replies: Sequence[Reply | None], parent: Candidate, notes: Sequence[str] = ()
) -> list[Proposal]:
    """A proposal for each reply there is: the parent's prompt with the instruction written in it."""
    written = []
    for place, reply in enumerate(replies):
        if reply is None:
            continue
        prompt = replace(parent.prompt, instruction=read_instruction(reply.text))
        note = notes[place] if notes else ""
        written.append(Proposal(prompt, (parent.id,), note, cut_off(reply)))
    return written
