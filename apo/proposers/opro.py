"""Show scored instructions, ask for a better one (OPRO, Yang et al. ICLR 2024).

The request holds the best instructions so far in ascending order of their scores, rounded to whole
points, and a few examples (sections 3 and 4.2 of the paper: 20 instructions, 3 examples, 8 new ones a step at
temperature 1). Deviation: scores come from however many rows a candidate has met, fully evaluated
ones first, instead of from a fixed sample of the training rows.
"""

from dataclasses import dataclass
from random import Random

from apo.candidate import Proposal
from apo.prompt import Message
from apo.proposers._ranking import best_of_each
from apo.proposers._writing import ANSWER_ONLY, about, ask, chat, pairs, proposals
from apo.view import SearchView


@dataclass(frozen=True)
class Opro:
    """Shows the `shown` best instructions and `demos` examples."""

    shown: int = 20
    demos: int = 3

    def __post_init__(self) -> None:
        """Check the options."""
        if self.shown < 1 or self.demos < 0:
            raise ValueError(
                f"shown must be at least 1 and demos at least 0, not {self.shown} and {self.demos}"
            )

    def propose(self, view: SearchView, count: int, rng: Random) -> list[Proposal]:
        """One call for each proposal, all with the same history and different examples."""
        history = self._trajectory(view)
        chats = [self._request(view, history, rng) for _ in range(count)]
        replies = ask(view, chats, rng)
        return proposals(replies, view.best)

    def _request(self, view: SearchView, history: str, rng: Random) -> tuple[Message, ...]:
        rows = rng.sample(view.train, min(self.demos, len(view.train)))
        return chat(
            "Below are instructions for a language model with the scores that they reached, from 0 to "
            "100, the best at the end.",
            about(view.description),
            history,
            "Examples of the task; the instruction is put before the input:",
            pairs(rows),
            "Write a new instruction that differs from all of these and reaches a higher score.",
            ANSWER_ONLY,
        )

    def _trajectory(self, view: SearchView) -> str:
        """The best instructions, each once with its best score, ascending."""
        mean = view.history.mean
        ascending = sorted(best_of_each(view, self.shown), key=lambda candidate: mean(candidate.id))
        return "\n\n".join(
            f"Instruction: {candidate.prompt.instruction}\nScore: {round(100 * mean(candidate.id))}"
            for candidate in ascending
        )
