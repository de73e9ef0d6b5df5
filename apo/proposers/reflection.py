"""Criticise failures, then edit (ProTeGi, Pryzant et al. EMNLP 2023, "textual gradients").

A minibatch of the best prompt's errors is shown in groups; the model says why the instruction led
to them, and then rewrites the instruction against that reason. Deviations: one reason for each
group instead of several from one call, so that reasons differ by what they look at; no Monte-Carlo
paraphrases (the proposer `induction` paraphrases); the beam and the bandit are the engine's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from apo.candidate import Evaluation, Proposal
from apo.prompt import Message
from apo.proposers._writing import ANSWER_ONLY, about, ask, chat, proposals
from apo.task import Example
from apo.view import SearchView

LONGEST_OUTPUT = 600
"""Characters of a wrong output that are shown."""
Failed = tuple[Example, Evaluation]


@dataclass(frozen=True)
class Reflection:
    """Each criticism looks at `errors` failed rows."""

    errors: int = 4

    def __post_init__(self) -> None:
        """Check the options."""
        if self.errors < 1:
            raise ValueError(f"errors must be at least 1, not {self.errors}")

    def propose(self, view: SearchView, count: int, rng: Random) -> list[Proposal]:
        """Two calls for each proposal; none where the best prompt makes no error."""
        best = view.best
        failed = view.failures(best.id)
        if not failed:
            return []
        # A criticism without the call for its edit would be wasted.
        affordable = min(count, view.model.left // 2)
        groups = [rng.sample(failed, min(self.errors, len(failed))) for _ in range(affordable)]
        instruction = best.prompt.instruction
        reasons = ask(view, [_criticise(view, instruction, group) for group in groups], rng)
        told = [(g, r.text.strip()) for g, r in zip(groups, reasons, strict=True) if r is not None]
        replies = ask(view, [_edit(view, instruction, group, reason) for group, reason in told], rng)
        return proposals(replies, best, [reason for _, reason in told])


def _criticise(view: SearchView, instruction: str, failed: Sequence[Failed]) -> tuple[Message, ...]:
    return chat(
        *_errors(view, instruction, failed),
        "Give one reason why the instruction led to these errors, in two or three sentences.",
    )


def _edit(view: SearchView, instruction: str, failed: Sequence[Failed], reason: str) -> tuple[Message, ...]:
    return chat(
        *_errors(view, instruction, failed),
        "What is wrong with the instruction:",
        reason,
        "Write a better instruction that avoids this. State general rules; do not repeat the inputs.",
        ANSWER_ONLY,
    )


def _errors(view: SearchView, instruction: str, failed: Sequence[Failed]) -> tuple[str, ...]:
    """The paragraphs that both requests begin with."""
    return (
        "A language model was given this instruction:",
        instruction or "(no instruction)",
        about(view.description),
        "It answered these inputs wrongly:",
        _cases(failed),
    )


def _cases(failed: Sequence[Failed]) -> str:
    return "\n\n".join(
        f"Input: {row.input}\nRight answer: {row.target}\nIts answer: {done.output[:LONGEST_OUTPUT]}"
        for row, done in failed
    )
