"""A tiny white box with random weights: a tokenizer of bytes, and a model that is made in a moment."""

from functools import cache
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from apo.budget import Budget
from apo.whitebox import Opened, WhiteBox

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}<assistant>"
WIDTH = 16


@cache
def tiny(template: str | None = TEMPLATE, spread: float = 1.0) -> Opened:
    """The same model each time; a larger `spread` of its weights lets it write more different texts."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate(["</s>", *letters])}
    words = Tokenizer(models.BPE(vocabulary, []))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    fast: Any = PreTrainedTokenizerFast
    tokenizer = fast(tokenizer_object=words, eos_token="</s>", chat_template=template)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=4096,
        eos_token_id=0,
        initializer_range=spread,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        llama: Any = LlamaForCausalLM
        model = llama(config).eval().requires_grad_(False)
    return Opened(model, tokenizer, f"tiny-{spread}", 1 << 30)


def box(limit: Budget | None = None, template: str | None = TEMPLATE, spread: float = 1.0) -> WhiteBox:
    """The tiny model, counted, on a clock that stands still."""
    return WhiteBox(lambda: tiny(template, spread), limit, clock=lambda: 0.0)
