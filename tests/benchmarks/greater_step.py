"""The time of one optimization step of GReaTer, beside the same step written down plainly.

The package `greaterprompt` 1.1.4 pins torch 2.3.1 and vllm 0.5.3.post1, which are builds for NVIDIA GPUs, and
it compares nothing with fresh reasoning, so its step is another one. The plain step is the whole step of
the paper (candidates, reasoning, gradient, comparison with fresh reasoning), example by example with
`transformers.generate` and one backward pass each, on the same weights, rows, precision and cores.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig

from apo.backends import Backend, Request
from apo.backends.scripted import Scripted
from apo.candidate import Candidate, Failure
from apo.metering import MeteredModel
from apo.prompt import Prompt
from apo.proposers._examples import Examples, Tokens
from apo.proposers._extraction import extractor
from apo.proposers.greater import Greater
from apo.task import Example, Task
from apo.view import SearchView
from apo.whitebox import Opened, WhiteBox
from apo.whitebox.framing import ahead, tokens
from apo.whitebox.inputs import all_cores
from tests.helpers import history_of, proposed, started, toy_spec

ROWS, REASONING, SHORTLIST, TOP = 16, 64, 3, 10
ROUNDS = 2
TASK = "bbh/boolean_expressions"
SEED = "Think step by step, then give the answer."
"""With which the model writes until it is cut off, so that both steps reason as much."""


def thinking(task: Task) -> Task:
    """The task with a prompt that makes the model reason."""
    return replace(task, seed=Prompt(SEED))


def measured(task: Task, opened: Opened, backend: Backend) -> str:
    """A table of both times, as many rounds in turn; the faster round of each counts.

    `opened` are the weights that `backend` serves.
    """
    ours, theirs = list[float](), list[float]()
    with all_cores(opened):
        for number in range(ROUNDS):
            ours.append(_ours(task, opened, backend, number))
            theirs.append(_plain(task, opened, number))
    times = min(theirs) / min(ours)
    return (
        f"## One step: {ROWS} examples, {REASONING} tokens of reasoning, {SHORTLIST} compared\n\n"
        f"{TASK}, “{SEED}”\n\n"
        f"| step | seconds, best of {ROUNDS} rounds |\n| --- | --- |\n| `greater` | {min(ours):.1f} |\n"
        f"| plainly with `transformers.generate` | {min(theirs):.1f} |\n\n{times:.1f} times as fast "
        "(to reach: 5). The package `greaterprompt` 1.1.4 cannot run here: it pins torch 2.3.1 and vllm "
        "0.5.3.post1, builds for NVIDIA GPUs. So its step is written plainly: example by example, with one "
        "backward pass each.\n"
    )


def _view(task: Task, opened: Opened, backend: Backend) -> SearchView:
    """The beginning of a search."""
    history = history_of(started(task, toy_spec()), *proposed(Candidate("c0", task.seed)))
    model = MeteredModel(backend, 10**6, backend)
    box = WhiteBox(lambda: opened)
    return SearchView(
        task.description, task.train, task.dev, history, model, whitebox=box, scorer=task.scorer
    )


def _ours(task: Task, opened: Opened, backend: Backend, number: int) -> float:
    """Seconds of a turn with one position, with examples of its own, so that no server has seen them."""
    options = Greater(positions=1, rows=ROWS, reasoning=REASONING, shortlist=SHORTLIST, top=TOP, check="loss")
    view = _view(task, opened, backend)
    begun = time.perf_counter()
    options.propose(view, 1, Random(number))
    return time.perf_counter() - begun


def unasked(request: Request) -> Failure:
    """The plain step asks no server; if it did, it would not pass for an answer."""
    return Failure("request", f"the plain step asked a server for {request.tag}")


def _plain(task: Task, opened: Opened, number: int) -> float:
    """Seconds of the same step for the same examples."""
    rows = tuple(Random(number).sample(task.train, ROWS))
    view = _view(task, opened, Scripted(unasked))
    examples = Examples(view, opened, task.seed, rows, extractor(task.scorer), REASONING)
    begun = time.perf_counter()
    Plain(opened, examples, rows).step(tokens(opened, task.seed.instruction))
    return time.perf_counter() - begun


@dataclass(frozen=True)
class Plain:
    """A step as the paper writes it down."""

    opened: Opened
    examples: Examples
    rows: Sequence[Example]

    def step(self, prompt: Tokens) -> Tokens:
        """The first position's best token by loss with fresh reasoning; the current one competes."""
        choices = [*self._common(), prompt[0]]
        slopes = sum(self._slope(prompt, place, choices) for place in range(len(self.rows)))
        assert isinstance(slopes, torch.Tensor)
        order = slopes[:-1].argsort()[:SHORTLIST].tolist()
        found = [prompt, *((choices[n], *prompt[1:]) for n in order)]
        with torch.no_grad():
            return min(found, key=lambda one: sum(self._loss(one, n) for n in range(len(self.rows))))

    def _common(self) -> list[int]:
        """Tokens that all examples expect."""
        sets = []
        for row in self.rows:
            ids = torch.tensor([ahead(self.opened, row.input)], device=self.opened.device)
            with torch.no_grad():
                logits = self.opened.model(input_ids=ids).logits[0, -1]
            sets.append(set(logits.topk(TOP).indices.tolist()))
        return sorted(set.intersection(*sets)) or sorted(sets[0])

    def _reasoned(self, prompt: Tokens, place: int) -> Tokens:
        """What the model writes for one example, in tokens."""
        _, before, behind = self.examples.frames[place]
        ids = torch.tensor([(*before, *prompt, *tokens(self.opened, behind))], device=self.opened.device)
        settings: Any = GenerationConfig
        ends = self.opened.model.generation_config.eos_token_id
        config = settings(max_new_tokens=REASONING, do_sample=False, eos_token_id=ends, pad_token_id=0)
        with torch.no_grad():
            found = self.opened.model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config
            )
        return tuple(found[0, ids.shape[1] :].tolist())

    def _embedded(self, prompt: Tokens, place: int, first: torch.Tensor) -> torch.Tensor:
        """The loss of one example whose prompt begins with an embedding."""
        _, before, behind = self.examples.frames[place]
        written = tokens(self.opened, behind) + self._reasoned(prompt, place)
        written += tokens(self.opened, self.examples.extractor)
        answer = self.examples.answers[place]
        ids = torch.tensor((*before, *prompt, *written, *answer), device=self.opened.device)
        values = self.opened.model.get_input_embeddings()(ids)
        values = torch.cat([values[: len(before)], first[None].to(values), values[len(before) + 1 :]])
        logits = self.opened.model(inputs_embeds=values[None]).logits[0, :-1].float()
        fluency = cross_entropy(logits[len(before) - 1 :][: len(prompt)], torch.tensor(prompt).to(ids))
        return cross_entropy(logits[-len(answer) :], ids[-len(answer) :]) + 0.2 * fluency

    def _slope(self, prompt: Tokens, place: int, choices: Sequence[int]) -> torch.Tensor:
        """The gradient at the first position's one-hot, shape (choices,)."""
        embeddings = self.opened.model.get_input_embeddings().weight[list(choices)].float()
        onehot = torch.zeros(len(choices), device=self.opened.device)
        onehot[-1] = 1
        onehot.requires_grad_()
        loss = self._embedded(prompt, place, onehot @ embeddings)
        return torch.autograd.grad(loss, onehot)[0].cpu()

    def _loss(self, prompt: Tokens, place: int) -> float:
        """The loss of one example with a prompt of tokens."""
        first = self.opened.model.get_input_embeddings().weight[prompt[0]]
        return float(self._embedded(prompt, place, first))
