"""Induce an instruction from examples, then resample around the best (APE, Zhou et al. ICLR 2023).

APE asks for the instruction that a set of input-output pairs follows (forward generation), scores
the answers on small subsets first (here the scheduler's business), and optionally paraphrases the
survivors. Deviation: both kinds of request go out in one step, split by `resample`, once there is a
scored instruction to paraphrase.
"""

from dataclasses import dataclass
from random import Random

from apo.candidate import Proposal
from apo.prompt import Message
from apo.proposers._writing import ANSWER_ONLY, about, ask, chat, pairs, proposals
from apo.view import SearchView


@dataclass(frozen=True)
class Induction:
    """`demos` pairs are shown; a share `resample` of the proposals paraphrases the best instruction."""

    demos: int = 6
    resample: float = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        if self.demos < 1 or not 0 <= self.resample <= 1:
            raise ValueError(
                f"demos must be at least 1 and resample between 0 and 1, not {self.demos} and {self.resample}"
            )

    def propose(self, view: SearchView, count: int, rng: Random) -> list[Proposal]:
        """One call for each proposal."""
        best = view.best
        again = int(count * self.resample) if best.prompt.instruction else 0
        chats = [self._induce(view, rng) for _ in range(count - again)]
        chats += [
            chat(
                "Write a variation of this instruction that keeps its meaning.",
                best.prompt.instruction,
                ANSWER_ONLY,
            )
        ] * again
        replies = ask(view, chats, rng)
        return proposals(replies, best)

    def _induce(self, view: SearchView, rng: Random) -> tuple[Message, ...]:
        rows = rng.sample(view.train, min(self.demos, len(view.train)))
        return chat(
            "Somebody followed one instruction to turn each of these inputs into its output.",
            about(view.description),
            pairs(rows),
            "What was the instruction?",
            ANSWER_ONLY,
        )
