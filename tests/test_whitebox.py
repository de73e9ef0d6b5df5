"""The white box: hidden states and texts as the model itself gives them, counted and bounded."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from apo.budget import Budget, Spend, calls_left
from apo.errors import ConfigError, SpentError
from apo.prompt import Message
from apo.spec import WhiteBoxSpec
from apo.whitebox import Pooling, WhiteBox
from apo.whitebox.inputs import batches, chat_tokens, embedded
from apo.whitebox.loading import check, open_model
from apo.whitebox.reading import read, states
from apo.whitebox.writing import write
from tests.whiteboxes import WIDTH, box, tiny

TEXTS = ("Name the colour of the ball.", "b", "Which one is it?")


def alone(text: str, layer: int) -> torch.Tensor:
    """All states of a layer for one text without padding, shape (length, width)."""
    opened = tiny()
    ids = torch.tensor([opened.tokenizer.encode(text)])
    out = opened.model(input_ids=ids, output_hidden_states=True)
    return out.hidden_states[layer][0].float()  # type: ignore[no-any-return]


@pytest.mark.parametrize("layer", [0, 1, 2, -1])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_states_are_the_models_own(layer: int, pooling: Pooling) -> None:
    """Batches of several lengths give what each text gives alone, at any layer."""
    pools = {"last": lambda s: s[-1], "mean": lambda s: s.mean(0), "max": lambda s: s.amax(0)}
    expected = torch.stack([pools[pooling](alone(text, layer)) for text in TEXTS])

    torch.testing.assert_close(read(box(), TEXTS, layer, pooling), expected, atol=1e-4, rtol=1e-4)


def test_embeddings_are_read_like_tokens() -> None:
    """A soft prompt that is a token's embedding is that token."""
    opened = tiny()
    tokens = opened.tokenizer.encode(TEXTS[0])

    torch.testing.assert_close(states(box(), [embedded(opened, tokens)]), read(box(), TEXTS[:1]))
    assert (1, WIDTH) == tuple(states(box(), [torch.zeros(1, WIDTH)]).shape)


def test_writing_ends_where_nothing_more_is_needed() -> None:
    """A text that has ended is the beginning of what would have been written; the others go on."""
    opened = tiny()
    sequences = [embedded(opened, opened.tokenizer.encode(text)) for text in TEXTS]
    whole = write(box(), sequences, max_tokens=12)
    first, short = whole[0].text, len(whole[0].text) // 2

    def ended(text: str) -> bool:
        return len(text) >= short and first.startswith(text)

    found = write(box(), sequences, max_tokens=12, ended=ended)

    assert short <= len(found[0].text) < len(first)
    for one, other in zip(found, whole, strict=True):
        assert other.text.startswith(one.text)
        assert one.tokens <= other.tokens
        assert one == other or not one.cut_off


def test_writing_is_what_the_model_continues() -> None:
    """Greedy texts of a batch, of several lengths, are those of each token sequence alone."""
    opened = tiny()
    tokens = [opened.tokenizer.encode(text) for text in TEXTS]
    found = write(box(), [embedded(opened, ids) for ids in tokens], max_tokens=12)

    for ids, written in zip(tokens, found, strict=True):
        expected = list(ids)
        for _ in range(12):
            logits = opened.model(input_ids=torch.tensor([expected])).logits[0, -1]
            expected.append(int(logits.argmax()))
            if expected[-1] == 0:
                break
        told = opened.tokenizer.decode(expected[len(ids) :], skip_special_tokens=True)
        assert told == written.text
        assert written.cut_off == (expected[-1] != 0)


def test_draws_are_seeded() -> None:
    """The same seed draws the same texts, another one others, and torch's own draws go on undisturbed."""
    context = [embedded(tiny(), tiny().tokenizer.encode(TEXTS[0]))] * 3

    def drawn(seed: int) -> list[str]:
        return [w.text for w in write(box(), context, max_tokens=20, temperature=1.0, seed=seed)]

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = drawn(1)

    assert expected == torch.rand(1)
    assert first == drawn(1)
    assert first != drawn(2)


def test_everything_is_charged() -> None:
    """Positions count as prompt tokens, what is written as completion tokens; padding is free."""
    lengths = [len(tiny().tokenizer.encode(text)) for text in TEXTS]
    reader, writer = box(), box()
    read(reader, TEXTS)
    written = write(writer, [embedded(tiny(), tiny().tokenizer.encode(TEXTS[1]))], max_tokens=7)

    assert Spend(prompt_tokens=sum(lengths)) == reader.spend
    assert writer.spend.prompt_tokens == lengths[1]
    assert writer.spend.completion_tokens == 7 or not written[0].cut_off


def test_seconds_are_charged() -> None:
    """Opening and work take the time that the clock says."""
    ticks = iter(range(100))
    timed = WhiteBox(tiny, clock=lambda: float(next(ticks)))
    with timed.working(5):
        pass

    assert Spend(prompt_tokens=5, seconds=1.0) == timed.spend
    assert tiny() is timed.opened
    assert timed.spend.seconds == 2.0


@pytest.mark.parametrize("limit", [Budget(prompt_tokens=20), Budget(completion_tokens=1)])
def test_the_budget_ends_the_work(limit: Budget) -> None:
    """No batch begins once a limit is reached; what was done is charged."""
    bounded = box(limit)
    one = [embedded(tiny(), tiny().tokenizer.encode(TEXTS[0]))]
    write(bounded, one, max_tokens=3)
    spent = bounded.spend
    with pytest.raises(SpentError, match="budget"):
        write(bounded, one, max_tokens=3)

    assert spent.prompt_tokens == len(one[0])
    assert spent == bounded.spend


def test_what_was_read_aside_does_not_make_calls_dear() -> None:
    """A million tokens of the white box lower a limit once, and no call's estimated cost."""
    calls, aside = Spend(10, 1000, 100), Spend(0, 1_000_000, seconds=60.0)
    budget = Budget(prompt_tokens=1_101_000)

    assert 1000 == calls_left(budget, calls + aside, 90.0, aside)
    assert calls_left(budget, calls + aside, 90.0) == 0
    assert calls_left(Budget(seconds=120.0), calls + aside, 90.0, aside) == 10


def test_no_chat_template() -> None:
    """A model without a chat template reads one text; with one it reads turns."""
    chat = [Message("system", "Be brief."), Message("user", "Why?")]
    plain = tiny(template=None)

    assert "Be brief.\n\nWhy?\n\nBecause" == plain.tokenizer.decode(chat_tokens(plain, chat, "Because"))
    told = tiny().tokenizer.decode(chat_tokens(tiny(), chat, "Because"))
    assert told == "<system>Be brief.</s><user>Why?</s><assistant>Because"


def test_without_weights_it_says_what_to_set() -> None:
    """A search without a white box refuses to open one."""
    with pytest.raises(ConfigError, match="--whitebox-model"):
        _ = WhiteBox().opened


def test_too_large_is_refused_before_loading(tmp_path: Path) -> None:
    """The message says how much is needed, how much may be taken, and what to set."""
    tiny().model.save_pretrained(tmp_path)
    tiny().tokenizer.save_pretrained(tmp_path)
    spec = WhiteBoxSpec(str(tmp_path), "cpu", memory=0.1)

    with pytest.raises(ConfigError, match=r"needs 0\.\d GiB and may take 0\.1 GiB.*--whitebox-memory"):
        check(spec, "unused", lambda _: None)
    opened = open_model(WhiteBoxSpec(str(tmp_path), "cpu", 1.0), "unused", lambda _: None)
    assert opened.width == WIDTH


@pytest.mark.parametrize("named", ["no-such-model", "/nowhere"])
def test_unknown_weights_are_refused(named: str) -> None:
    """What is no model is named, with the option that names another."""
    with pytest.raises(ConfigError, match=f"{named}.*--whitebox-model"):
        check(WhiteBoxSpec(), named, lambda _: None)


def test_no_language_model(tmp_path: Path) -> None:
    """A folder that transformers cannot read is refused."""
    (tmp_path / "config.json").write_text('{"model_type": "no-such-type"}')
    with pytest.raises(ConfigError, match="causal language model"):
        check(WhiteBoxSpec(str(tmp_path), "cpu"), "unused", lambda _: None)


def test_batches_follow_the_memory() -> None:
    """More memory takes more rows at once, gradients fewer; one row is always tried."""
    opened = tiny()

    assert opened.rows(10, 10**9) > opened.rows(1000, 10**9) > opened.rows(1000, 10**9, gradients=True) >= 1
    assert opened.rows(10**9) == 1


def test_batches_are_as_large_as_they_may_be() -> None:
    """All that fit together unless positions are limited; a sequence that is longer than that is alone."""
    sequences = [torch.zeros(10, WIDTH)] * 7

    for limit, sizes in ({}, [7]), ({"positions": 35}, [3, 3, 1]), ({"positions": 9}, [1] * 7):
        assert sizes == [len(batch) for batch in batches(sequences, tiny(), **limit)]


def test_nothing_heavy_until_used() -> None:
    """Importing the white box and its view loads no torch."""
    code = "import sys, apo.view, apo.runner; print('torch' in sys.modules, 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "False"]
