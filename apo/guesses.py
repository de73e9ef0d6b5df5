"""What stands for models, evaluator and surrogate where an engine runs ahead of itself (`apo.foresight`).

They take down what they are asked, guess what is missing, and end the branch once there is enough.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from apo.backends import Answer, Completion, Request, unmarked
from apo.candidate import Evaluation, Usage
from apo.embedding import Embed
from apo.errors import ApoError
from apo.evaluation import Evaluator, Pair
from apo.history import History
from apo.prompt import Prompt
from apo.surrogates import Fitted
from apo.task import Example, Score

if TYPE_CHECKING:
    from apo.arrays import Floats

HOLE = "(no reply yet)"
"""Begins what stands for a text that is not there; what is made of it is not foreseen."""
BOTH = (0.0, 1.0)
"""The worst and the best score."""


class EnoughError(ApoError):
    """There is no more to foresee, or no need to."""


@dataclass(frozen=True)
class Mute:
    """A model that only takes down what it is asked."""

    foreseen: list[Request] = field(default_factory=list)

    def stream(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """No answer.

        Raises:
            EnoughError: always.
        """
        self.foreseen.extend(requests)
        raise EnoughError


@dataclass(frozen=True)
class Recalled(Mute):
    """A proposer's model as far as its replies are there; others are holes."""

    replies: Mapping[Request, Completion] = field(default_factory=dict)

    def stream(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """What is there.

        Raises:
            EnoughError: nothing is.
        """
        asked = list(requests)
        there = [self.replies.get(unmarked(request)) for request in asked]
        if not any(there):
            yield from super().stream(asked)
        self.foreseen.extend(asked)
        for place, (request, reply) in enumerate(zip(asked, there, strict=True)):
            yield request, reply or Completion(f"{HOLE} {place}", Usage())


@dataclass(frozen=True)
class Guesser(Evaluator):
    """An evaluator that guesses, and only has taken down what it would ask."""

    backend: Mute
    history: History = field(default_factory=History)
    far: int = 64
    """How many requests are enough."""
    rng: Random = field(default_factory=Random)
    urns: dict[str, list[float]] = field(default_factory=dict)
    """What the scores of each candidate's missing rows are drawn from."""

    def prepare(self, pairs: Iterable[Pair]) -> None:
        """Nothing is embedded for a guess."""

    def evaluate(self, pairs: Iterable[Pair]) -> Iterator[tuple[Evaluation, ...]]:
        """Each row with a score from its candidate's urn."""
        asked = list(pairs)
        foreseen = self.backend.foreseen
        foreseen.extend(self._requests(asked, {}))
        if len(foreseen) >= self.far:
            raise EnoughError
        yield tuple(self._guessed(candidate.id, row) for candidate, row in asked)

    def _guessed(self, candidate: str, row: Example) -> Evaluation:
        if candidate not in self.urns:
            self.urns[candidate] = self._urn(candidate)
        score = self.rng.choice(self.urns[candidate])
        return Evaluation(candidate, row.id, HOLE, Score(score), Usage())

    def _urn(self, candidate: str) -> list[float]:
        """Its rows' scores, one wrong and one right, as many drawn anew: how good it is is not known either
        (the bootstrap; the two more are Laplace's rule, without which all rows are like the first).

        Of a candidate without a row any other's stand for its, as candidates differ more than rows do, or
        none: it may be unlike all others.
        """
        history = self.history
        known = [*history.scores(candidate).values()]
        if not known:
            others = [[*scores.values()] for one in history.candidates if (scores := history.scores(one))]
            known = self.rng.choice([*others, []])
        known += BOTH
        return self.rng.choices(known, k=len(known))


@dataclass(frozen=True)
class Skipper(Guesser):
    """An evaluator that guesses the rest of some steps, and takes down nothing."""

    last: int = 0
    """The last step's number."""

    def evaluate(self, pairs: Iterable[Pair]) -> Iterator[tuple[Evaluation, ...]]:
        """Each row with a score from its candidate's urn.

        Raises:
            EnoughError: that step is over.
        """
        if len(self.history.steps) - 1 > self.last:
            raise EnoughError
        yield tuple(self._guessed(candidate.id, row) for candidate, row in pairs)


@dataclass(frozen=True)
class Blind:
    """A surrogate that believes nothing: fitting one takes longer than there is."""

    def fit(self, prompts: Sequence[Prompt], means: "Floats", variances: "Floats", embed: Embed) -> Fitted:
        """Never.

        Raises:
            EnoughError: always.
        """
        raise EnoughError


def unembedded(_texts: Sequence[str]) -> "Floats":
    """Nothing is embedded for a guess.

    Raises:
        EnoughError: always.
    """
    raise EnoughError
