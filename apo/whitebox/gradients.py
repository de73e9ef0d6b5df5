"""Losses of gold answers, and their gradients at the tokens of a prompt; loads torch.

Passages are computed in batches of like length, padded on the right, where a causal model does not look;
what all of them begin with is computed once, and its keys and values serve every batch. Losses are single
precision whatever the model computes in (double, if that does).
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from apo.whitebox import Opened, WhiteBox
from apo.whitebox.batching import batched, shared
from apo.whitebox.inputs import all_cores
from apo.whitebox.passages import Line, Passage, Slot


@dataclass(frozen=True, slots=True)
class Losses:
    """Of each passage, shape (passages,)."""

    answer: Tensor
    """Mean cross-entropy of the answer tokens, in nats."""
    fluency: Tensor
    """Mean negative log-likelihood of the prompt tokens, in nats; 0 for an empty prompt."""
    right: Tensor
    """Whether every answer token is the likeliest one; bool."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """What is made of the losses: `answer + fluency * the prompt's negative log-likelihood`."""

    fluency: float = 0.0
    temperature: float = 1.0
    """The answer's logits are divided by it; above 0."""


def losses(
    box: WhiteBox, passages: Sequence[Passage], temperature: float = 1.0, *, reuse: bool = True
) -> Losses:
    """The losses of passages (at least one, in any order), on the CPU.

    `reuse` computes what all begin with only once. Positions passed forward are charged, backward ones not.

    Raises:
        ConfigError: the model cannot be opened, or not even one passage fits the memory.
        SpentError: the budget ends.
    """
    with torch.no_grad():
        return _collected(box, passages, None, Weighing(temperature=temperature), reuse)[0]


def slopes(
    box: WhiteBox, passages: Sequence[Passage], slot: Slot, weighing: Weighing, *, reuse: bool = True
) -> tuple[Losses, Tensor]:
    """The losses of passages, and for each the gradient at the one-hot over a slot's choices, on the CPU.

    The slot's embedding is `sum_c e_c Emb(c)`, with `e` one at the current choice (GReaTer, Das et al. ICLR
    2025, step 5; for whole texts GSPO, Li et al. NeurIPS 2024). Choices of several tokens are padded on the
    left to one length; the current one's padding is hidden from attention and takes no position, so the
    loss is that of the passage as it is. Where all choices are single tokens the fluency has the slot as
    target too, `-sum_c e_c log p(c)`, which the released GReaTer code leaves out: without it the gradient
    does not see how natural a choice is after what precedes it.

    Returns:
        The losses, and d loss / d e, shape (passages, choices).

    Raises: as `losses`.
    """
    found, gradients = _collected(box, passages, slot, weighing, reuse)
    return found, gradients


def loss_at(opened: Opened, passage: Passage, slot: Slot, onehot: Tensor, weighing: Weighing) -> Tensor:
    """The loss of one passage, a scalar, with any real vector over the choices in the slot."""
    found = _forward(opened, [passage], _prefix(opened, [passage], slot, False), slot, onehot[None], weighing)
    return (found.answer + weighing.fluency * found.fluency)[0]


def likeliest(box: WhiteBox, contexts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """The `count` likeliest next tokens after each context (at least one token), the likeliest first.

    Raises: as `losses`.
    """
    opened, found = box.opened, dict[int, list[int]]()

    def work(places: Sequence[int]) -> None:
        rows = [torch.tensor(contexts[place], device=opened.device) for place in places]
        ends = torch.tensor([len(row) - 1 for row in rows], device=opened.device)
        keep: Tensor = torch.unique(ends)
        out = opened.model(
            input_ids=pad_sequence(rows, True),
            attention_mask=pad_sequence([torch.ones_like(row) for row in rows], True),
            logits_to_keep=keep,
            use_cache=False,
        )
        last = out.logits[torch.arange(len(rows), device=opened.device), torch.searchsorted(keep, ends)]
        found.update(zip(places, last.float().topk(count).indices.tolist(), strict=True))

    with torch.no_grad():
        batched(box, [len(context) for context in contexts], work, gradients=False)
    return [found[place] for place in range(len(contexts))]


@dataclass(frozen=True, slots=True)
class _Prefix:
    """What all passages begin with: its keys and values, and what its tokens predict."""

    length: int
    cache: Any
    logits: Tensor
    """Of its last tokens, those that predict the prompt, shape (tokens, vocabulary)."""


def _collected(
    box: WhiteBox, passages: Sequence[Passage], slot: Slot | None, weighing: Weighing, reuse: bool
) -> tuple[Losses, Tensor]:
    """Losses, and with a slot gradients, computed batch by batch, in the order of the passages."""
    opened = box.opened
    prefix = _prefix(opened, passages, slot, reuse, box)
    found: dict[int, tuple[Tensor, ...]] = {}

    def work(places: Sequence[int]) -> None:
        batch = [passages[place] for place in places]
        onehot = _onehot(opened, slot, len(batch))
        parts = _forward(opened, batch, prefix, slot, onehot, weighing)
        gradients = onehot
        if slot is not None:
            (gradients,) = torch.autograd.grad(
                (parts.answer + weighing.fluency * parts.fluency).sum(), onehot
            )
        columns = (parts.answer, parts.fluency, parts.right, gradients)
        rows = zip(*(column.detach().cpu() for column in columns), strict=True)
        found.update(zip(places, rows, strict=True))

    batched(box, [len(p.tokens) - prefix.length for p in passages], work, gradients=slot is not None)
    rows = (found[place] for place in range(len(passages)))
    answer, fluency, right, gradients = (torch.stack(column) for column in zip(*rows, strict=True))
    return Losses(answer, fluency, right), gradients


def _onehot(opened: Opened, slot: Slot | None, rows: int) -> Tensor:
    """The current choice for each row, shape (rows, choices), to be differentiated at; none without slot."""
    if slot is None:
        return torch.zeros(rows, 0)
    onehot = torch.zeros(rows, len(slot.choices), device=opened.device, dtype=_precise(opened))
    onehot[:, slot.current] = 1.0
    return onehot.requires_grad_()


def _precise(opened: Opened) -> torch.dtype:
    """What losses are computed in."""
    return torch.float64 if opened.dtype == torch.float64 else torch.float32


def _prefix(
    opened: Opened,
    passages: Sequence[Passage],
    slot: Slot | None,
    reuse: bool,
    box: WhiteBox | None = None,
) -> _Prefix:
    """The common beginning, up to the slot, computed once; of no length where it is not to be reused."""
    tokens = [p.tokens for p in passages]
    ends = [min(Line(p, 0, slot).start, len(p.tokens) - 1) for p in passages]
    length = min(shared(tokens), *ends) if reuse else 0
    if length == 0 or box is None:
        return _Prefix(0, None, torch.empty(0, 0, device=opened.device))
    predicting = length + 1 - min(length, *(len(p.before) for p in passages))
    with box.working(length), torch.no_grad(), all_cores(opened):
        ids = torch.tensor([tokens[0][:length]], device=opened.device)
        out = opened.model(input_ids=ids, use_cache=True, logits_to_keep=predicting)
    return _Prefix(length, out.past_key_values, out.logits[0].to(_precise(opened)))


def _forward(
    opened: Opened,
    batch: Sequence[Passage],
    prefix: _Prefix,
    slot: Slot | None,
    onehot: Tensor,
    weighing: Weighing,
) -> Losses:
    """The losses of a batch; differentiable in `onehot`, shape (batch, choices)."""
    lines = [Line(passage, prefix.length, slot) for passage in batch]
    values, mask = _padded(opened, lines, slot, onehot)
    mask = torch.cat([mask.new_ones(len(batch), prefix.length), mask], dim=1)
    cache = copy.deepcopy(prefix.cache)
    if cache is not None:
        cache.batch_repeat_interleave(len(batch))
    wanted = {line.predictor(t) for line in lines for t in (*line.prompt, *line.answer)}
    keep = sorted(place for place in wanted if place >= 0)
    out = opened.model(
        inputs_embeds=values,
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0)[:, prefix.length :],
        past_key_values=cache,
        use_cache=cache is not None,
        logits_to_keep=torch.tensor(keep, dtype=torch.long, device=opened.device),
    )
    rows = {place: row for row, place in enumerate(keep)}
    judged = []
    for line, own, e in zip(lines, out.logits.to(_precise(opened)), onehot, strict=True):
        judged.append(_judged(line, partial(_at, rows, own, prefix.logits), e, weighing))
    return Losses(*(torch.stack(column) for column in zip(*judged, strict=True)))


def _padded(
    opened: Opened, lines: Sequence[Line], slot: Slot | None, onehot: Tensor
) -> tuple[Tensor, Tensor]:
    """Lines as embeddings, shape (lines, longest, width), and the mask of what counts, (lines, longest)."""
    embed, device = opened.model.get_input_embeddings(), opened.device
    mixed = torch.empty(len(lines), 0, opened.width, device=device, dtype=opened.dtype)
    shown = torch.empty(0, dtype=torch.long, device=device)
    if slot is not None:
        ids = [torch.tensor(choice, dtype=torch.long, device=device) for choice in slot.choices]
        there = pad_sequence([torch.ones_like(one) for one in ids], True, 0, "left")
        choices = embed(pad_sequence(ids, True, 0, "left")) * there[:, :, None]
        mixed = torch.einsum("nc,clw->nlw", onehot, choices.to(onehot.dtype)).to(opened.dtype)
        shown = there[slot.current]
    values, masks = [], []
    for line, inside in zip(lines, mixed, strict=True):
        around = embed(torch.tensor(line.head + line.tail, dtype=torch.long, device=device))
        head, tail = around.split([len(line.head), len(line.tail)])
        values.append(torch.cat([head, inside, tail]))
        masks.append(torch.cat([shown.new_ones(len(head)), shown, shown.new_ones(len(tail))]))
    return pad_sequence(values, True), pad_sequence(masks, True)


def _at(rows: dict[int, int], own: Tensor, before: Tensor, place: int) -> Tensor:
    """The logits of a line at a place, shape (vocabulary,): its own, or those that all begin with."""
    return own[rows[place]] if place >= 0 else before[place]


def _judged(
    line: Line, logits: Callable[[int], Tensor], onehot: Tensor, weighing: Weighing
) -> tuple[Tensor, Tensor, Tensor]:
    """Answer loss, fluency and whether the answer is the likeliest, each a scalar; `logits` by place."""
    passage, slot = line.passage, line.slot
    answers = torch.stack([logits(line.predictor(place)) for place in line.answer])
    gold = torch.tensor(passage.answer, device=answers.device)
    answer = cross_entropy(answers / weighing.temperature, gold)
    right = (answers.argmax(1) == gold).all()
    if not passage.prompt:
        return answer, answer.new_zeros(()), right
    told = torch.stack([logits(line.predictor(place)) for place in line.prompt]).log_softmax(1)
    likelihoods = told[range(len(told)), list(passage.prompt)]
    fluency = -likelihoods.sum()
    if slot is not None and slot.longest == 1:
        choices = [token for (token,) in slot.choices]
        fluency = fluency + likelihoods[slot.place] - onehot @ told[slot.place, choices]
    return answer, fluency / len(told), right
