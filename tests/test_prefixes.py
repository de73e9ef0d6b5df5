"""Tokens of texts that begin alike: the same as without a memory, in less time."""

import functools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from apo.backends.prefixes import KEPT, Encode, Prefixes, byte_level

LLAMA = (
    r"(?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CORPUS = [
    "Input: not true.\nAnswer: False\n\nInput: it's 1234 days\n",
    "\n\nwords, words\n\n\n123 été 日本 🙂",
] * 9
PIECES = [
    "word",
    "Answer:",
    "12",
    "\n",
    "\n\n",
    "\r\n",
    " ",
    "  ",
    ".",
    "'s",
    "é",
    "́",
    "日本",
    "🙂",
    "<end>",
    "\t",
]


@functools.cache
def tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """A small tokenizer that splits texts as a family of models does."""
    splits = pre_tokenizers.Split(Regex(LLAMA), "isolated")
    byte_pairs = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    kinds = {
        "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False),
        "prefixed": pre_tokenizers.ByteLevel(add_prefix_space=True),
        "llama3": pre_tokenizers.Sequence([splits, byte_pairs]),
        "digits": pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        ),
        "sentencepiece": pre_tokenizers.Metaspace(),
        "gemma": pre_tokenizers.Split(" ", "merged_with_previous"),
        "whole": None,
    }
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    if (split := kinds[kind]) is not None:
        made.pre_tokenizer = split
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    made.add_special_tokens(["<end>"])
    return PreTrainedTokenizerFast(tokenizer_object=made)  # type: ignore[no-untyped-call]


def encoding(kind: str) -> Encode:
    """Its encoding; it is a byte-level one."""
    found = byte_level(tokenizer(kind))
    assert found is not None
    return found


parts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@pytest.mark.parametrize("kind", ["gpt2", "prefixed", "llama3", "digits"])
@given(st.lists(parts, min_size=1, max_size=3), st.lists(parts, min_size=1, max_size=6), st.randoms())
def test_as_without_a_memory(kind: str, heads: list[str], tails: list[str], rng: random.Random) -> None:
    """Whatever came before, a text's tokens are those that transformers gives."""
    texts = [head + tail for head in heads for tail in tails] * 2
    rng.shuffle(texts)
    prefixes = Prefixes(encoding(kind))

    for text in texts:
        assert tokenizer(kind)(text, add_special_tokens=False)["input_ids"] == prefixes.tokens(text)


def test_a_prefix_is_encoded_once() -> None:
    """From the third text on only what follows the last line that is alike is encoded."""
    asked: list[str] = []
    encode = encoding("gpt2")

    def noted(text: str) -> list[int]:
        asked.append(text)
        return encode(text)

    prefixes = Prefixes(noted)
    texts = [
        f"Say it.\n\nInput: one\nAnswer: 1\n\nInput: {word}\nAnswer:" for word in ("two", "three", "four")
    ]
    for text in texts:
        prefixes.tokens(text)

    assert ["\n\nInput: four\nAnswer:"] == asked[asked.index(texts[1]) + 3 :]


def test_where_a_cut_shows_there_is_none() -> None:
    """An encoding whose parts are not the whole's is asked for the whole, again and again."""
    prefixes = Prefixes(lambda text: [len(text)])

    assert [[10], [11], [12]] == [prefixes.tokens("line1\n" + "x" * n) for n in (4, 5, 6)]


def test_few_prefixes_are_kept() -> None:
    """However many prompts there are, the memory is bounded."""
    prefixes = Prefixes(encoding("gpt2"))
    for n in range(2 * KEPT):
        for end in "ab":
            prefixes.tokens(f"Prompt{n}\nInput: {end}")

    assert KEPT == len(prefixes._known)


@pytest.mark.parametrize("kind", ["sentencepiece", "gemma", "whole"])
def test_others_are_not_cut(kind: str) -> None:
    """Where nothing says that a line's end splits words, texts stay whole."""
    assert byte_level(tokenizer(kind)) is None


def test_no_fast_tokenizer() -> None:
    """Such as Mistral's own."""
    assert byte_level(object()) is None
