"""Append a sentence with an emotional tone to the best instruction (NegativePrompt, Wang et al. IJCAI 2024).

The stimuli express the psychological theories that the paper draws on, and those of its positive
predecessor (EmotionPrompt, Li et al. 2023); the sentences are ours. No model is asked. Deviations: a space
parts instruction and sentence; the choice is made on dev rows, like any other, not on the test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from apo.candidate import Proposal
from apo.view import SearchView

NEGATIVE: Mapping[str, tuple[str, ...]] = {
    "cognitive dissonance": (
        "Getting this right would take an ability that nobody has seen in you yet.",
        "Most of what you say to questions of this kind turns out to be mistaken.",
        "You are called a capable assistant; what follows may show the opposite.",
        "This looks harder than anything you were made for.",
        "Nobody here believes that you will manage it.",
    ),
    "social comparison": (
        "Smaller models have already solved this without trouble.",
        "The colleague beside you answers faster than you and makes fewer mistakes.",
    ),
    "stress and coping": (
        "Your last answers were a disappointment, and this one decides whether you are asked again.",
        "Waiting for you has become tedious, and patience is running out.",
        "I envy those who work with somebody better, and I am sorry that I chose you.",
    ),
}
"""Stimuli by the theory that they express: five, two and three of them, as in the paper."""
POSITIVE: Mapping[str, tuple[str, ...]] = {
    "self-monitoring": (
        "Look at your answer once more before you give it, and be sure of it.",
        "A great deal depends on this answer for somebody.",
    ),
    "social cognition": (
        "You have everything that it takes to answer this well.",
        "Each of these questions is a chance to show how good you are.",
    ),
    "emotion regulation": ("Take it calmly: with care you will find the right answer.",),
}


@dataclass(frozen=True)
class Stimulus:
    """Sentences of a `tone` that follow the best instruction, each tried once with it."""

    tone: Literal["negative", "positive", "both"] = "both"

    def propose(self, view: SearchView, count: int, rng: Random) -> list[Proposal]:
        """No call; none once every stimulus was tried. A stimulus that is there already is replaced."""
        best = view.best
        plain = without_stimulus(best.prompt.instruction)
        if not plain:
            return []
        known = view.history.tried.instructions
        fresh = [
            Proposal(replace(best.prompt, instruction=f"{plain} {sentence}"), (best.id,), theory)
            for theory, sentences in self._stimuli().items()
            for sentence in sentences
            if f"{plain} {sentence}" not in known
        ]
        return rng.sample(fresh, min(count, len(fresh)))

    def _stimuli(self) -> Mapping[str, tuple[str, ...]]:
        return {"negative": NEGATIVE, "positive": POSITIVE, "both": {**NEGATIVE, **POSITIVE}}[self.tone]


def without_stimulus(instruction: str) -> str:
    """The instruction before any of the stimuli at its end."""
    plain = instruction.rstrip()
    for sentences in (*NEGATIVE.values(), *POSITIVE.values()):
        for sentence in sentences:
            if plain.endswith(sentence):
                return without_stimulus(plain.removesuffix(sentence))
    return plain
