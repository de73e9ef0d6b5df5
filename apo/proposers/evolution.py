"""Cross instructions and mutate the child (EvoPrompt, Guo et al. ICLR 2024), genetic or differential.

`ga`: two parents, each drawn with a chance in proportion to its score, are crossed and the child is
mutated, in one call (section 3.2). `de`: what two random instructions say differently is mutated, joined
with the best instruction, and the result crossed with another (section 3.3). Deviations: the population is
the best distinct instructions of the whole search, scored on however many rows they have met, and
survival is the scheduler's; where all score 0 every parent is as likely.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from apo.candidate import Candidate, Proposal
from apo.prompt import Message
from apo.proposers._ranking import best_of_each
from apo.proposers._writing import ANSWER_ONLY, about, ask, chat, proposals
from apo.view import SearchView


@dataclass(frozen=True)
class Evolution:
    """Breeds from the `population` best instructions; `kind` is `ga` (genetic) or `de` (differential)."""

    kind: Literal["ga", "de"] = "ga"
    population: int = 10

    def __post_init__(self) -> None:
        """Check the options."""
        if self.population < 2:
            raise ValueError(f"population must be at least 2, not {self.population}")

    def propose(self, view: SearchView, count: int, rng: Random) -> list[Proposal]:
        """One call for each proposal; none while there are fewer than two instructions."""
        bred = best_of_each(view, self.population)
        if len(bred) < 2:
            return []
        families = [self._family(view, bred, rng) for _ in range(count)]
        replies = ask(view, [self._request(view, family) for family in families], rng)
        answered = [family for family, reply in zip(families, replies, strict=True) if reply is not None]
        children = proposals(replies, view.best)
        return [
            replace(child, parents=tuple(dict.fromkeys((view.best.id, *(c.id for c in family)))))
            for child, family in zip(children, answered, strict=True)
        ]

    def _family(self, view: SearchView, bred: list[Candidate], rng: Random) -> list[Candidate]:
        """The parents of one child: two for `ga`; two to compare and one to cross with for `de`."""
        if self.kind == "de":
            return [*rng.sample(bred, 2), rng.choice(bred)]
        first = _roulette(view, bred, rng)
        return [first, _roulette(view, [c for c in bred if c is not first], rng)]

    def _request(self, view: SearchView, family: list[Candidate]) -> tuple[Message, ...]:
        texts = [candidate.prompt.instruction for candidate in family]
        shown = [f"Instruction {number}: {text}" for number, text in enumerate(texts, 1)]
        if self.kind == "ga":
            steps = (
                "Combine the two instructions into one that keeps what is good in each. Then change the "
                "combined instruction: put some of it differently, without changing what it asks for."
            )
            return chat(about(view.description), *shown, steps, ANSWER_ONLY)
        steps = (
            "Find what instructions 1 and 2 say differently, and put those parts in a new way. Work them "
            "into the best instruction. Then combine the result with instruction 3 into one instruction."
        )
        best = f"The best instruction: {view.best.prompt.instruction}"
        return chat(about(view.description), *shown, best, steps, ANSWER_ONLY)


def _roulette(view: SearchView, bred: list[Candidate], rng: Random) -> Candidate:
    """One drawn with a chance in proportion to its score."""
    scores = [view.history.mean(candidate.id) for candidate in bred]
    return rng.choices(bred, scores if sum(scores) > 0 else None)[0]
