"""Hidden states: what a model makes of texts or of embeddings before it answers; loads torch."""

import sys
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from apo.whitebox import Pooling, WhiteBox
from apo.whitebox.inputs import all_cores, batches, embedded, padded

IN_CACHE = 1280
"""Positions that a CPU reads at once: the inner states of many more do not stay in its cache (measured on two
cores with a model of 135M: a fifth less time than with 10,000)."""


def states(box: WhiteBox, sequences: Iterable[Tensor], layer: int = -1, pooling: Pooling = "last") -> Tensor:
    """One hidden state for each sequence.

    Args:
        box: whose states.
        sequences: at least one, each of shape (length, width), length at least 1; taken batch by batch.
        layer: 0 is the embeddings, 1 the first layer, -1 the last one with its final norm.
        pooling: `last` token, `mean` or `max` over all of them.

    Returns:
        Single precision on the CPU, shape (sequences, width).

    Raises:
        ConfigError: the model cannot be opened.
        SpentError: the budget ends.
        IndexError: the model has no such layer.
    """
    opened, found = box.opened, []
    for batch in batches(sequences, opened, IN_CACHE if opened.device.type == "cpu" else sys.maxsize):
        values, mask = padded(batch, opened, "right")
        with box.working(int(mask.sum())), torch.no_grad(), all_cores(opened):
            out = opened.model.base_model(
                inputs_embeds=values, attention_mask=mask, output_hidden_states=layer != -1, use_cache=False
            )
            hidden = out.last_hidden_state if layer == -1 else out.hidden_states[layer]
            found.append(_pooled(hidden, mask, pooling).float().cpu())
    return torch.cat(found)


def read(box: WhiteBox, texts: Sequence[str], layer: int = -1, pooling: Pooling = "last") -> Tensor:
    """One hidden state for each text, shape (texts, width); an empty text is read as a line end.

    Raises: as `states`.
    """
    tokenizer = box.opened.tokenizer
    tokens = (tokenizer.encode(text or "\n") for text in texts)
    return states(box, (embedded(box.opened, ids) for ids in tokens), layer, pooling)


def _pooled(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """From (n, length, width), padded on the right, to (n, width)."""
    if pooling == "last":
        places = mask.sum(dim=1) - 1
        return hidden[torch.arange(len(hidden), device=hidden.device), places]
    inside = mask[:, :, None].bool()
    if pooling == "max":
        return hidden.masked_fill(~inside, -torch.inf).amax(dim=1)
    return (hidden.float() * inside).sum(dim=1) / mask.sum(dim=1, keepdim=True)
