"""Ask for instructions that reach a given score (LLAMBO, Liu et al. ICLR 2024).

The request holds scored instructions in random order, another one for each proposal, since order misleads
a model, and asks for one with a score a little beyond the best (the candidate sampler). Before there is a
second instruction it asks, in one call, for several different ones from the task's description
alone (the zero-shot warm start). Deviations: instructions instead of
hyperparameters, so nothing is said of ranges or round numbers; one completion for each order
instead of five; invalid proposals are discarded by the engine, and not asked for again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from apo.candidate import Candidate, Proposal
from apo.prompt import Message
from apo.proposers._ranking import best_of_each
from apo.proposers._writing import ANSWER_ONLY, CLOSE, OPEN, about, ask, chat, proposals, read_instructions
from apo.view import SearchView

LOWEST, HIGHEST = 1e-5, 0.9999
"""Accuracies between which a target must lie to be worth asking for."""
FALLBACKS = (0.1, 0.01, 0.001, -0.001, -0.01, -0.1)
"""Where the target cannot be reached, the next lower of these is tried instead of `alpha`."""
FLAT = 0.1
"""Where all scores are equal, this share of them (of 1 if they are 0) counts as their range."""


@dataclass(frozen=True)
class Target:
    """Shows `shown` scored instructions; asks for the best score plus `alpha` times the range of scores.

    `alpha` lies in [-1, 1]. Of the values that the paper compares, 0.01 finds the best point; larger ones
    ask for what the model cannot give, negative ones for variety at the price of the score.
    """

    alpha: float = 0.01
    shown: int = 20

    def __post_init__(self) -> None:
        """Check the options."""
        if not -1 <= self.alpha <= 1 or self.shown < 2:
            raise ValueError(
                f"alpha must lie between -1 and 1 and shown be at least 2, not {self.alpha} and {self.shown}"
            )

    def propose(self, view: SearchView, count: int, rng: Random) -> list[Proposal]:
        """One call for each proposal; one for all of them where there is but one instruction."""
        known = best_of_each(view, self.shown)
        if len(known) < 2:
            return _warm_start(view, count, rng)
        scores = [view.history.mean(candidate.id) for candidate in known]
        wanted = f"{100 * target(scores, self.alpha):.1f}"
        chats = [_request(view, known, wanted, rng) for _ in range(count)]
        return proposals(ask(view, chats, rng), view.best, [f"asked for a score of {wanted}"] * count)


def target(scores: Sequence[float], alpha: float) -> float:
    """The score to ask for: the best plus `alpha` times the range of `scores`, all in [0, 1].

    Where that is not between LOWEST and HIGHEST the FALLBACKS below `alpha` are tried from the top, and
    after the last one the target is cut to those bounds.
    """
    best, spread = max(scores), max(scores) - min(scores)
    if spread == 0:
        spread = FLAT * (best or 1)
    tried = [best + each * spread for each in (alpha, *(each for each in FALLBACKS if each < alpha))]
    within = (score for score in tried if LOWEST < score < HIGHEST)
    return next(within, min(max(tried[-1], LOWEST), HIGHEST))


def _request(view: SearchView, known: list[Candidate], wanted: str, rng: Random) -> tuple[Message, ...]:
    lines = [
        f"Instruction: {candidate.prompt.instruction}\nScore: {100 * view.history.mean(candidate.id):.1f}"
        for candidate in rng.sample(known, len(known))
    ]
    return chat(
        "Below are instructions for a language model with the scores that they reached, from 0 to 100, in "
        "no order.",
        about(view.description),
        *lines,
        f"Write an instruction that differs from all of these and reaches a score of {wanted}.",
        ANSWER_ONLY,
    )


def _warm_start(view: SearchView, count: int, rng: Random) -> list[Proposal]:
    """Different instructions from the description, or from the seed instruction where there is none."""
    seed = view.best.prompt.instruction
    told = about(view.description) or (f"An instruction for it: {seed}" if seed else "")
    if count < 1 or not told:
        return []
    request = chat(
        f"Write {count} different instructions that tell a language model to do a task.",
        told,
        f"Each one should go about it in a way of its own. Write each between {OPEN} and {CLOSE}.",
    )
    (reply,) = ask(view, [request], rng)
    texts = read_instructions(reply) if reply is not None else []
    prompts = [replace(view.best.prompt, instruction=text) for text in texts[:count]]
    return [Proposal(prompt, (view.best.id,), "from the description alone") for prompt in prompts]
