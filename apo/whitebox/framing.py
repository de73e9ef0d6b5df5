"""An instruction in its place: the tokens that a model reads before it, and the text behind it."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from apo.errors import ConfigError
from apo.prompt import Message, Prompt, Rendered, render
from apo.task import Example
from apo.whitebox import Opened

MARK = "\ue000"
"""A character of private use, which stands in no text that people write."""


def frame(opened: Opened, prompt: Prompt, row: Example) -> tuple[tuple[int, ...], str]:
    """What stands around the instruction of a prompt that asks a row.

    Returns:
        The tokens before it, at least one, and the text behind it, up to where the answer begins.
    """
    return _parted(opened, render(replace(prompt, instruction=MARK), row.input, row.id))


def ahead(opened: Opened, text: str) -> tuple[int, ...]:
    """The tokens before an instruction that follows a text, in one user turn; at least one."""
    return _parted(opened, (Message("user", f"{text}\n\n{MARK}"),))[0]


def tokens(opened: Opened, text: str) -> tuple[int, ...]:
    """A text's tokens, nothing added."""
    return tuple(opened.tokenizer.encode(text, add_special_tokens=False))


def text_of(opened: Opened, ids: Sequence[int]) -> str:
    """The text of tokens as it is, nothing cleaned."""
    return str(opened.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))


def survives(opened: Opened, ids: Sequence[int]) -> bool:
    """Whether tokens are the tokens of their own text, so that a server reads the prompt that was meant."""
    text = text_of(opened, ids)
    return text == text.strip() and tokens(opened, text) == tuple(ids)


def answer_tokens(opened: Opened, before: str, answer: str) -> tuple[int, ...]:
    """The tokens of an answer right after a text; a space comes between words.

    Raises:
        ConfigError: a token reaches over the place where the text ends; it shows the tokens.
    """
    spaced = before[-1:].isspace() or before[-1:] in ("", "(", "[", '"', "'")
    alone = tokens(opened, before)
    both = tokens(opened, f"{before}{'' if spaced else ' '}{answer}")
    if both[: len(alone)] != alone or len(both) == len(alone):
        raise ConfigError(
            f"The answer {answer!r} does not begin with a token of its own after {before[-60:]!r}: the text "
            f"ends in {_shown(opened, alone[-4:])}, with the answer it goes on as "
            f"{_shown(opened, both[max(0, len(alone) - 4) :])}. "
            "Set an extractor that ends where the answer's first token begins, without a space behind it."
        )
    return both[len(alone) :]


def _shown(opened: Opened, ids: Sequence[int]) -> str:
    return repr([text_of(opened, [one]) for one in ids])


def _parted(opened: Opened, rendered: Rendered) -> tuple[tuple[int, ...], str]:
    """The tokens before the mark and the text behind it."""
    tokenizer = opened.tokenizer
    plain = isinstance(rendered, str) or tokenizer.chat_template is None
    text = rendered if isinstance(rendered, str) else chat_text(opened, rendered)
    before, _, behind = text.partition(MARK)
    ids = tokenizer.encode(before, add_special_tokens=plain) if before or plain else []
    return tuple(ids) or (_first(opened),), behind


def chat_text(opened: Opened, chat: Sequence[Message]) -> str:
    """A chat up to where the model answers; paragraphs where there is no chat template."""
    if opened.tokenizer.chat_template is None:
        return "\n\n".join([*(turn.content for turn in chat), ""])
    turns = [msgspec.structs.asdict(turn) for turn in chat]
    return str(opened.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def _first(opened: Opened) -> int:
    """What a text begins with where nothing else does."""
    known = (opened.tokenizer.bos_token_id, opened.tokenizer.eos_token_id, 0)
    return int(next(one for one in known if one is not None))
