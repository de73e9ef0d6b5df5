"""Decoding: texts that a model writes after embeddings that need not be tokens; loads torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from apo.whitebox import Opened, WhiteBox
from apo.whitebox.inputs import all_cores, batches, padded


@dataclass(frozen=True, slots=True)
class Written:
    """What the model wrote."""

    text: str
    tokens: int = 0
    """That it took, its end included."""
    cut_off: bool = False
    """It was stopped by the limit."""


class _Ended(StoppingCriteria):
    """Ends each text of a batch where it needs nothing more."""

    def __init__(self, opened: Opened, ended: Callable[[str], bool]) -> None:
        self._opened, self._ended = opened, ended

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        texts = self._opened.tokenizer.batch_decode(input_ids, skip_special_tokens=True)
        return torch.tensor([self._ended(text) for text in texts], device=input_ids.device)


def write(
    box: WhiteBox,
    sequences: Sequence[Tensor],
    *,
    max_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    ended: Callable[[str], bool] | None = None,
) -> list[Written]:
    """A text after each sequence of embeddings.

    Args:
        box: who writes.
        sequences: each of shape (length, width), length at least 1.
        max_tokens: most tokens of a text, at least 1.
        temperature: 0 for the likeliest token each time.
        ended: whether a text needs nothing more, where the model itself goes on; None: it never does.
        seed: of the draws where temperature is above 0; torch's own generator is left as it was.

    The same arguments give the same texts on the same machine.

    Raises:
        ConfigError: the model cannot be opened.
        SpentError: the budget ends.
    """
    opened, found = box.opened, list[Written]()
    criteria = StoppingCriteriaList([_Ended(opened, ended)] if ended else [])
    devices = [opened.device] if opened.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        for batch in batches(sequences, opened):
            values, mask = padded(batch, opened, "left")
            with box.working(int(mask.sum())), torch.no_grad(), all_cores(opened):
                settings = _settings(opened, max_tokens, temperature)
                rows = opened.model.generate(
                    inputs_embeds=values,
                    attention_mask=mask,
                    generation_config=settings,
                    stopping_criteria=criteria,
                )
            for row in rows.tolist():
                found.append(_read(box, opened, row, max_tokens))
    return found


def _settings(opened: Opened, max_tokens: int, temperature: float) -> GenerationConfig:
    """Only what is asked for, whatever the model's own defaults are."""
    drawn = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature > 0 else {}
    ends = _ends(opened)
    settings = {"max_new_tokens": max_tokens, "eos_token_id": ends, "pad_token_id": ends[0], **drawn}
    return GenerationConfig(**settings)  # type: ignore[no-untyped-call]


def _ends(opened: Opened) -> list[int]:
    """Tokens after which nothing follows, at least one."""
    known = opened.model.generation_config.eos_token_id
    several = list(known) if isinstance(known, list | tuple) else [known]
    ends = [one for one in (*several, opened.tokenizer.eos_token_id) if one is not None]
    return list(dict.fromkeys(ends)) or [opened.model.config.vocab_size - 1]


def _read(box: WhiteBox, opened: Opened, row: list[int], max_tokens: int) -> Written:
    ends = set(_ends(opened))
    length = next((place for place, token in enumerate(row) if token in ends), None)
    written = row if length is None else row[:length]
    tokens = len(written) + (length is not None)
    box.wrote(tokens)
    text = opened.tokenizer.decode(written, skip_special_tokens=True)
    return Written(str(text), tokens, length is None and len(row) >= max_tokens)
