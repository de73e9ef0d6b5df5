"""Losses and gradients of the white box: those of the plain model, however they are computed."""

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from apo.budget import Budget
from apo.errors import ConfigError, SpentError
from apo.whitebox import Opened, WhiteBox
from apo.whitebox.gradients import Weighing, likeliest, loss_at, losses, slopes
from apo.whitebox.passages import Passage, Slot
from tests.whiteboxes import box, tiny

PROMPT = (40, 41, 42, 43)
PASSAGES = [
    Passage((1, 2, 3), PROMPT, (50,), (60, 61)),
    Passage((1, 2, 3), PROMPT, (51, 52, 53, 54, 55, 56, 57), (62,)),
    Passage((1, 2, 4), PROMPT, (51, 52, 53), (63, 64, 65)),
    Passage((1,), PROMPT, (58, 59), (60,)),
]
WORDS = Slot(2, ((70,), (42,), (71,), (72,)), 1)
TEXTS = Slot(1, ((80, 81), (41,), (41, 42, 43, 44), (), (82, 83, 84)), 1)
WEIGHING = Weighing(0.3, 0.7)


def double() -> Opened:
    """A tiny model in double precision, but for its norms, which always compute in single precision."""
    opened = tiny(spread=0.3)
    return Opened(copy.deepcopy(opened.model).double(), opened.tokenizer, "double", opened.memory)


def plain(opened: Opened, passage: Passage, temperature: float) -> tuple[float, float, bool]:
    """The same losses, from the model's logits for the passage alone."""
    ids = torch.tensor(passage.tokens)
    logits = opened.model(input_ids=ids[None]).logits[0, :-1]
    each = cross_entropy(logits, ids[1:], reduction="none")
    begin = len(passage.before) - 1
    answers = logits[-len(passage.answer) :]
    gold = ids[-len(passage.answer) :]
    return (
        float(cross_entropy(answers / temperature, gold)),
        float(each[begin : begin + len(passage.prompt)].mean()),
        bool((answers.argmax(1) == gold).all()),
    )


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("some", [PASSAGES, PASSAGES[:1], PASSAGES[:2], [PASSAGES[0]] * 3])
def test_losses_are_the_models_own(some: list[Passage], reuse: bool) -> None:
    """Batches of several lengths, their beginning computed before or not, give what each passage gives."""
    found = losses(box(), some, 0.7, reuse=reuse)

    for place, passage in enumerate(some):
        answer, fluency, right = plain(tiny(), passage, 0.7)
        assert answer == pytest.approx(float(found.answer[place]), abs=1e-4)
        assert fluency == pytest.approx(float(found.fluency[place]), abs=1e-4)
        assert right == bool(found.right[place])


def test_right_answers_are_seen() -> None:
    """An answer of the likeliest tokens is right, one other token makes it wrong."""
    said = list[int]()
    for _ in range(3):
        (best,) = likeliest(box(), [(1, 2, *PROMPT, 50, *said)], 1)
        said += best
    good = Passage((1, 2), PROMPT, (50,), tuple(said))
    bad = Passage((1, 2), PROMPT, (50,), (*said[:-1], said[-1] + 1))

    assert [True, False] == losses(box(), [good, bad]).right.tolist()


@pytest.mark.parametrize("slot", [WORDS, TEXTS], ids=["words", "texts"])
@pytest.mark.parametrize("passage", PASSAGES)
def test_gradient_is_that_of_finite_differences(passage: Passage, slot: Slot) -> None:
    """Along each choice, by central differences."""
    opened = double()
    _, gradients = slopes(WhiteBox(lambda: opened), [passage], slot, WEIGHING)
    now = torch.zeros(len(slot.choices), dtype=torch.float64)
    now[slot.current] = 1
    step = 1e-3 * torch.eye(len(slot.choices), dtype=torch.float64)
    up = [loss_at(opened, passage, slot, now + one, WEIGHING) for one in step]
    down = [loss_at(opened, passage, slot, now - one, WEIGHING) for one in step]
    expected = (torch.stack(up) - torch.stack(down)) / 2e-3

    torch.testing.assert_close(gradients[0], expected, atol=5e-4, rtol=1e-3)
    assert gradients.abs().max() > 0.01


@pytest.mark.parametrize("slot", [WORDS, TEXTS], ids=["words", "texts"])
@pytest.mark.parametrize("reuse", [True, False])
def test_padding_and_reuse_change_nothing(slot: Slot, reuse: bool) -> None:
    """Loss and gradient of a batch are those of each passage alone, computed from its first token."""
    found, gradients = slopes(box(), PASSAGES, slot, WEIGHING, reuse=reuse)

    for place, passage in enumerate(PASSAGES):
        alone, gradient = slopes(box(), [passage], slot, WEIGHING, reuse=False)
        answer, fluency, _ = plain(tiny(), passage, WEIGHING.temperature)
        torch.testing.assert_close(gradients[place], gradient[0], atol=1e-4, rtol=1e-4)
        assert float(alone.answer) == pytest.approx(float(found.answer[place]), abs=1e-4)
        assert answer == pytest.approx(float(found.answer[place]), abs=1e-4)
        assert fluency == pytest.approx(float(found.fluency[place]), abs=1e-4)


def test_a_place_where_nothing_stands() -> None:
    """An empty choice leaves the passages as they are, and tells nothing of the others."""
    empty = Slot(2, ((80, 81), ()), 1)
    found, gradients = slopes(box(), PASSAGES, empty, WEIGHING)

    assert 0 == gradients.count_nonzero()
    for place, passage in enumerate(PASSAGES):
        answer, fluency, _ = plain(tiny(), passage, WEIGHING.temperature)
        assert answer == pytest.approx(float(found.answer[place]), abs=1e-4)
        assert fluency == pytest.approx(float(found.fluency[place]), abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=2, max_size=6), st.integers(0, 3), st.integers(1, 200))
def test_shared_beginnings_of_any_length(lengths: list[int], place: int, first: int) -> None:
    """Cached keys and values give the gradients that all tokens at once give."""
    some = [Passage((1, first), PROMPT, tuple(range(100, 100 + n)), (60 + n % 3,)) for n in lengths]
    slot = Slot(place, ((70,), (PROMPT[place],)), 1)
    cached = slopes(box(), some, slot, WEIGHING)
    whole = slopes(box(), some, slot, WEIGHING, reuse=False)

    torch.testing.assert_close(cached[1], whole[1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(cached[0].answer, whole[0].answer, atol=1e-4, rtol=1e-4)


def test_half_precision_has_a_float32_loss() -> None:
    """A bfloat16 model's losses and gradients are single precision, and near those of the same weights."""
    opened = Opened(copy.deepcopy(tiny(spread=0.1).model).bfloat16(), tiny().tokenizer, "half", 1 << 30)
    found, gradients = slopes(WhiteBox(lambda: opened), PASSAGES, WORDS, WEIGHING)
    exact, _ = slopes(box(spread=0.1), PASSAGES, WORDS, WEIGHING)

    assert {torch.float32} == {found.answer.dtype, found.fluency.dtype, gradients.dtype}
    torch.testing.assert_close(found.answer, exact.answer, atol=0.05, rtol=0.05)


def test_likeliest_tokens() -> None:
    """Of contexts of several lengths in one batch, the model's own order."""
    contexts = [PASSAGES[1].tokens, (5,), PASSAGES[0].tokens]
    for context, found in zip(contexts, likeliest(box(), contexts, 7), strict=True):
        logits = tiny().model(input_ids=torch.tensor([context])).logits[0, -1]
        assert logits.topk(7).indices.tolist() == found


def test_reuse_is_cheaper() -> None:
    """What all begin with is charged once; without reuse for every passage."""
    some = [Passage(tuple(range(1, 40)), PROMPT, (n,), (60,)) for n in range(100, 108)]
    reused, whole = box(), box()
    slopes(reused, some, WORDS, WEIGHING)
    slopes(whole, some, WORDS, WEIGHING, reuse=False)

    assert 8 * len(some[0].tokens) == whole.spend.prompt_tokens
    assert whole.spend.prompt_tokens - 7 * (39 + WORDS.place) == reused.spend.prompt_tokens


def test_the_budget_ends_the_work() -> None:
    """No batch begins beyond a limit."""
    bounded = box(Budget(prompt_tokens=20))
    losses(bounded, PASSAGES)
    with pytest.raises(SpentError):
        losses(bounded, PASSAGES)


@dataclass
class Narrow:
    """A model on hardware that holds only so many sequences at once."""

    model: Any
    most: int
    seen: list[int] = field(default_factory=list)

    def __call__(self, **inputs: Any) -> Any:
        """What the model gives, if it fits."""
        rows = len(inputs["attention_mask"]) if "attention_mask" in inputs else 1
        self.seen.append(rows)
        if rows > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return self.model(**inputs)

    def __getattr__(self, name: str) -> Any:
        """All else is the model's own."""
        return getattr(self.model, name)


def narrow(most: int) -> tuple[WhiteBox, Narrow]:
    """A white box whose batches must not be larger."""
    model = Narrow(tiny().model, most)
    opened = Opened(model, tiny().tokenizer, "narrow", 1 << 30)
    return WhiteBox(lambda: opened), model


def test_out_of_memory_halves_the_batch() -> None:
    """It says so, goes on, and gives the same."""
    small, model = narrow(1)
    found, gradients = slopes(small, PASSAGES, WORDS, WEIGHING)
    expected, exact = slopes(box(), PASSAGES, WORDS, WEIGHING)

    assert [4, 2, 1, 1, 1, 1] == model.seen[1:]
    assert "halved to 1" in small.problem
    torch.testing.assert_close(gradients, exact, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.answer, expected.answer, atol=1e-4, rtol=1e-4)


def test_one_sequence_that_does_not_fit() -> None:
    """Smaller than one is no batch: it says what to do."""
    with pytest.raises(ConfigError, match=r"one sequence of .* tokens.*--whitebox-model"):
        losses(narrow(0)[0], PASSAGES, reuse=False)
