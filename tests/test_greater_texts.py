"""What GReaTer makes of texts: natural tokens, extractors, the frame around an instruction."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from apo.errors import ConfigError
from apo.prompt import Exemplar, Layout, Prompt
from apo.proposers._extraction import extractor, gold
from apo.proposers._tokens import Source
from apo.scorers import Choice, Exact, Numeric
from apo.task import Example
from apo.whitebox import Opened, WhiteBox
from apo.whitebox.framing import answer_tokens, frame, tokens
from tests.test_greater import SMALL, Bent, view
from tests.whiteboxes import tiny


def merging() -> Opened:
    """The tiny model with a tokenizer that joins a space with the letter behind it."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate(["</s>", *letters, "Ġr", "Ġ4", "Ġb"])}
    words = Tokenizer(models.BPE(vocabulary, [("Ġ", "r"), ("Ġ", "4"), ("Ġ", "b")]))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    fast: Any = PreTrainedTokenizerFast
    return Opened(tiny().model, fast(tokenizer_object=words, eos_token="</s>"), "merging", 1 << 30)


@pytest.mark.parametrize(("place", "expected"), [(0, "r"), (5, " r")])
def test_a_prompt_begins_without_a_space(place: int, expected: str) -> None:
    """Where a model expects a word after a space, a prompt may begin with the word, and go on with both."""
    opened = merging()
    bias = torch.zeros(len(tiny().tokenizer))
    bias = torch.nn.functional.pad(bias, (0, len(opened.tokenizer) - len(bias)))
    bias[opened.tokenizer.convert_tokens_to_ids("Ġr")] = 10_000

    def bend(logits: torch.Tensor) -> torch.Tensor:
        missing = len(bias) - logits.shape[-1]
        return torch.nn.functional.pad(logits, (0, missing), value=-1000.0) + bias

    bending = Opened(Bent(opened.model, bend), opened.tokenizer, "bent", 1 << 30)
    source = Source(WhiteBox(lambda: bending), bending, ["Who?", "What?"], 1, "intersection")
    found = source.natural(tokens(opened, "Say, it."), place, 1, Random("1"))

    assert expected == opened.tokenizer.decode(found.tokens[:1])


def test_wrong_extractor_is_refused() -> None:
    """One that ends in the space that belongs to the answer's token; the message shows the tokens."""
    with pytest.raises(ConfigError, match=r"'s', ' '\].*'s', ' r', 'e', 'd'\].*without a space"):
        answer_tokens(merging(), "The answer is ", "red")
    search, backend = view(whitebox=WhiteBox(merging))
    with pytest.raises(ConfigError, match="extractor"):
        replace(SMALL, extractor="The answer is ").propose(search, 8, Random("1"))
    assert not backend.requests


@pytest.mark.parametrize(
    ("scorer", "target", "begins"),
    [(Choice(("red", "blue")), "Red", " r"), (Numeric(), "so 42", " 4"), (Exact(), "red\nindeed", " r")],
)
def test_extractors(scorer: Any, target: str, begins: str) -> None:
    """After each, the gold answer begins with a token of its own, a space included."""
    opened = merging()
    answer = gold(scorer, Example("1", "?", target))
    found = answer_tokens(opened, extractor(scorer), answer)

    assert opened.tokenizer.decode(found[:1]) == begins
    assert f" {answer}" == opened.tokenizer.decode(found)


@pytest.mark.parametrize("form", ["turns", "fields", "flat", "completion"])
@pytest.mark.parametrize("place", ["system", "first", "last"])
def test_frames_hold_the_whole_prompt(form: Any, place: Any) -> None:
    """Around the instruction stands what the model receives, in every layout."""
    exemplars = (Exemplar("Which colour has ball 0000?", "red", "row-0"),)
    prompt = Prompt("Say it.", exemplars, Layout(form, place))
    search, _ = view()
    row = search.train[1]
    before, behind = frame(tiny(), prompt, row)
    text = tiny().tokenizer.decode(before) + "Say it." + behind

    assert row.input in behind
    assert text.index("Say it.") < text.index(row.input)
    assert "red" in text
