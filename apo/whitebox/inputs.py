"""What a white box reads: chats as tokens, tokens as embeddings, and batches of them; loads torch."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from apo.prompt import Message
from apo.whitebox import Opened
from apo.whitebox.framing import chat_text


def chat_tokens(opened: Opened, chat: Sequence[Message], opening: str = "") -> list[int]:
    """A chat up to the beginning of the model's answer, and what the answer begins with."""
    text = chat_text(opened, chat) + opening
    plain = opened.tokenizer.chat_template is None
    return list(opened.tokenizer.encode(text, add_special_tokens=plain))


def embedded(opened: Opened, tokens: Sequence[int]) -> Tensor:
    """Tokens as the model's first layer sees them, shape (tokens, width)."""
    ids = torch.tensor(tokens, dtype=torch.long, device=opened.device)
    with torch.no_grad():
        found: Tensor = opened.model.get_input_embeddings()(ids)
    return found


def batches(
    sequences: Iterable[Tensor], opened: Opened, positions: int = sys.maxsize
) -> Iterator[list[Tensor]]:
    """Sequences of shape (length, width), as many at once as the first of them lets expect to fit.

    One at least, and more of them have so many positions together at most.
    """
    rest = iter(sequences)
    for first in rest:
        most = min(opened.rows(len(first)), max(1, positions // len(first)))
        yield list(chain([first], islice(rest, most - 1)))


def padded(batch: Sequence[Tensor], opened: Opened, side: str) -> tuple[Tensor, Tensor]:
    """A batch, shape (n, longest, width), and the mask of what is no padding, shape (n, longest)."""
    values = pad_sequence([one.to(opened.device, opened.dtype) for one in batch], True, 0.0, side)
    ones = [torch.ones(len(one), dtype=torch.long, device=opened.device) for one in batch]
    return values, pad_sequence(ones, True, 0, side)


@contextmanager
def all_cores(opened: Opened) -> Iterator[None]:
    """Let torch use the cores that the white box may have, which surrogates leave to the model server."""
    before = torch.get_num_threads()
    torch.set_num_threads(opened.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
