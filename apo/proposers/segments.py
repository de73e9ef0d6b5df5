"""Choose the parts of an instruction greedily, by gradients over whole texts (GSPO, Li et al. NeurIPS 2024).

An instruction is role, task, format and guidance, each one of some texts. In a round (section 5 of the
paper's method) the gradient of the gold answers' loss at each part's one-hot shortlists `top` texts a part,
prompts that differ from the current one in one part are compared by their true loss, and the best of them
becomes the current one.

Not reproduced from the released code, where it weakens the method: the gradient is taken at the current
prompt and not at a random one; the current prompt is always among the compared; all rounds and turns
compare on the same rows, so that the lowest loss is no luck of a batch; gradients are not normalised, and
rows that do not fit the context are left out instead of dividing zero by zero. Deviations from the paper:
a round in which the current prompt wins is the last one; the loss is that of the gold answer right after
the prompt, since there is no fixed sentence around it; a part that is empty has no gradient (its texts
would stand where nothing stands), so its shortlist is drawn.

With `gradient=false` no weights are needed: parts take turns, and all texts of one are compared by the
score of the task model's own answers (coordinate search).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import ClassVar

from apo.backends import Request
from apo.candidate import Proposal
from apo.errors import RunError
from apo.nearest import resolve
from apo.plugins import foreign
from apo.prompt import render, stops
from apo.proposers._examples import Examples, compare
from apo.proposers._segments import BETWEEN, GUIDES, NAMES, Segmented, known, read, segmented
from apo.task import Example
from apo.view import SearchView
from apo.whitebox.framing import tokens
from apo.whitebox.passages import Slot


@dataclass(frozen=True)
class Segments:
    """Up to `rounds` changes of one part a turn, compared on `rows` train rows."""

    share: ClassVar[float] = 0.7

    gradient: bool = True
    rounds: int = 4
    rows: int = 16
    top: int = 3
    """Texts of a part that are compared, by gradient (K)."""
    texts: str = ""
    """A YAML file with the texts of each part; by default some that fit the task's scorer."""

    def __post_init__(self) -> None:
        """Check the options."""
        if min(self.rounds, self.rows, self.top) < 1:
            raise ValueError("rounds, rows and top must be at least 1")

    @property
    def opens_weights(self) -> bool:
        """Only gradients need them."""
        return self.gradient

    def propose(self, view: SearchView, count: int, rng: Random) -> list[Proposal]:
        """The prompts that the rounds came to, the last and best first.

        Raises:
            ConfigError: the weights cannot be opened, or the file of texts cannot be read.
            SpentError: the budget ends.
        """
        if count < 1 or not view.train:
            return []
        parent = view.best
        guides, rows = view.train[: min(GUIDES, len(view.train) // 2)], view.train[-self.rows :]
        rows = tuple(row for row in rows if row not in guides)
        banks = read(Path(self.texts)) if self.texts else known(view, guides)
        now = segmented(parent.prompt.instruction, banks)
        line = []
        for number in range(self.rounds):
            step = self._descend if self.gradient else self._try
            then, told = step(view, now, rows, rng, number)
            if then is None:
                if self.gradient:
                    break
                continue
            now = then
            line.append((now, told))
        return [
            Proposal(replace(parent.prompt, instruction=found.instruction), (parent.id,), told)
            for found, told in reversed(line)
        ][:count]

    def _descend(
        self, view: SearchView, now: Segmented, rows: tuple[Example, ...], rng: Random, _number: int
    ) -> tuple[Segmented | None, str]:
        """The best of the shortlisted changes by true loss; None if the current prompt is as good."""
        examples = Examples(view, view.whitebox.opened, view.best.prompt, rows)
        examples.check()
        changes = [
            now.having(part, choice)
            for part in range(len(NAMES))
            for choice in self._shortlist(examples, now, part, rng)
        ]
        changes = [change for change in changes if change.instruction]
        prompts = [tokens(examples.opened, one.instruction) for one in (now, *changes)]
        found = compare(examples, prompts, 0.0, 1.0, "loss")
        if not found.values:
            view.whitebox.problem = (
                "GSPO could use none of its rows: they are too long, or their loss is not finite."
            )
            return None, ""
        return _best([now, *changes], found.values, f"loss on {found.rows} rows")

    def _shortlist(self, examples: Examples, now: Segmented, part: int, rng: Random) -> list[int]:
        """The texts of a part towards which the loss falls most; drawn where nothing stands yet."""
        others = [n for n in range(len(now.texts[part])) if n != now.chosen[part]]
        if not now.parts[part] or len(others) <= self.top:
            return rng.sample(others, min(self.top, len(others)))
        from apo.whitebox.gradients import Weighing, slopes

        opened = examples.opened
        pieces = [tokens(opened, text + BETWEEN) if text else () for text in now.parts]
        begun = [0, *accumulate(map(len, pieces))][part]
        choices = tuple(tokens(opened, text + BETWEEN) if text else () for text in now.texts[part])
        whole = tuple(token for piece in pieces for token in piece)
        examples.reason([whole])
        passages = [p for p in examples.passages(whole) if p is not None]
        if not passages:
            return rng.sample(others, self.top)
        slot = Slot(begun, choices, now.chosen[part])
        _, gradients = slopes(examples.view.whitebox, passages, slot, Weighing())
        sums = gradients[gradients.isfinite().all(1)].sum(0).tolist()
        return sorted(others, key=lambda n: sums[n])[: self.top]

    def _try(
        self, view: SearchView, now: Segmented, rows: tuple[Example, ...], rng: Random, number: int
    ) -> tuple[Segmented | None, str]:
        """The best text of one part by the task model's scores; None if the current one is as good."""
        part = (_turns(view) * self.rounds + number) % len(NAMES)
        others = [n for n in range(len(now.texts[part])) if n != now.chosen[part]]
        affordable = view.model.left // len(rows) - 1
        drawn = sorted(rng.sample(others, max(0, min(len(others), affordable))))
        changes = [change for n in drawn if (change := now.having(part, n)).instruction]
        if not changes:
            return None, ""
        values = _scored(view, [now, *changes], rows)
        return _best([now, *changes], values, f"share of points missed on {len(rows)} rows")


def _best(prompts: Sequence[Segmented], values: Sequence[float], told: str) -> tuple[Segmented | None, str]:
    """The prompt of the lowest value with a note; None if that is the first."""
    chosen = min(range(len(prompts)), key=lambda n: (values[n], n))
    if chosen == 0:
        return None, ""
    before, after = prompts[0], prompts[chosen]
    part = next(n for n in range(len(NAMES)) if before.chosen[n] != after.chosen[n])
    return after, f"another {NAMES[part]}; {told} {values[0]:.3f} to {values[chosen]:.3f}"


def _scored(view: SearchView, prompts: Sequence[Segmented], rows: Sequence[Example]) -> list[float]:
    """What share of the points each prompt misses, on the rows that got an answer for every prompt."""
    requests = [_request(view, one.instruction, row) for one in prompts for row in rows]
    replies = view.model.answers(requests)
    grid = [replies[n * len(rows) : (n + 1) * len(rows)] for n in range(len(prompts))]
    missed = [0.0] * len(prompts)
    for row, column in zip(rows, zip(*grid, strict=True), strict=True):
        said = [reply.text for reply in column if reply is not None]
        if len(said) < len(prompts):
            continue
        with foreign(f"The scorer failed on row {row.id!r}", RunError):
            for n, text in enumerate(said):
                missed[n] += (1 - view.scorer(text, row).value) / len(rows)
    return missed


def _request(view: SearchView, instruction: str, row: Example) -> Request:
    prompt = replace(resolve(view.best.prompt, row.input, row.id, view.embed), instruction=instruction)
    return Request(render(prompt, row.input, row.id), view.max_tokens, stop=stops(prompt))


def _turns(view: SearchView) -> int:
    """How often this component has had its turn."""
    done = (step.component.partition(":")[0] for step in view.history.steps if step.proposed is not None)
    return sum(name == "segments" for name in done)
