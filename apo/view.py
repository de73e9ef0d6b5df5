"""All that a component of the search sees. There is no test split in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from apo.candidate import Candidate, Evaluation
from apo.embedding import Embed, SentenceEmbedder
from apo.history import BANNED, History
from apo.metering import MeteredModel
from apo.outputs import RightOutputs
from apo.prompt import Exemplar, Prompt
from apo.scorers import Exact
from apo.spec import MOST_EXEMPLARS
from apo.task import Example, Scorer, as_exemplars
from apo.whitebox import WhiteBox

CHARACTERS_A_TOKEN = 3.0
"""A cautious guess for English before the server has counted anything."""


@dataclass(frozen=True)
class SearchView:
    """The search so far, as proposers and selectors see it; they must not change it."""

    description: str
    """What the task is, in the words of its author; may be empty."""
    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    history: History
    model: MeteredModel
    """Writes proposals, and answers as the task model does; every call is charged to the role `proposal`."""
    embed: Embed = field(default_factory=SentenceEmbedder)
    """Texts as points; the encoder is loaded when it is first asked."""
    whitebox: WhiteBox = field(default_factory=WhiteBox)
    """A model's weights to look into, charged to the role `whitebox`; opened when it is first asked."""
    scorer: Scorer = field(default_factory=Exact)
    """How answers are judged."""
    pool_of: str = ""
    """Candidate whose own outputs are the exemplar pool; empty: gold pairs, and the outputs of all."""
    max_exemplars: int = MOST_EXEMPLARS
    max_tokens: int = 64
    """Most tokens of an answer of the task model."""
    context: int | None = None
    """Most tokens of prompt and answer together, where known."""

    @property
    def best(self) -> Candidate:
        """The candidate to improve on: the best fully evaluated one, or the seed."""
        return self.history.best() or self.history.candidates["c0"]

    def ranked(self, count: int) -> list[Candidate]:
        """Up to `count` candidates that were evaluated at all: fully evaluated ones first, then by mean.

        Those that a person banned are not among them.
        """
        return list(islice(self.in_order(), count))

    def in_order(self) -> Iterator[Candidate]:
        """All of them, the best first; to be read before anything changes."""
        pruned = self.history.pruned
        return (c for c in self.history.ranked() if pruned.get(c.id) != BANNED)

    def failures(self, candidate: str) -> list[tuple[Example, Evaluation]]:
        """The dev rows that a candidate answered worse than fully, in dev order."""
        done = self.history.evaluations(candidate)
        rows = [(row, done[row.id]) for row in self.dev if row.id in done]
        return [(row, e) for row, e in rows if e.score is not None and e.score.value < 1]

    def pool(self) -> list[Exemplar]:
        """What exemplars are chosen from, each text once: gold pairs of train, and the model's own fully
        correct outputs on dev rows, which the search has already paid for (Wan et al. 2024, section 3).

        An exemplar from a dev row names it, so that the row is never shown its own answer. With `pool_of`
        the pool is that candidate's outputs, and gold pairs only where they cannot fill one prompt.
        """
        gold = as_exemplars(self.train)
        if not self.pool_of:
            paid = [
                Exemplar(r.input, text, r.id) for r in self.dev for text in self.history.right_outputs(r.id)
            ]
            return list(dict.fromkeys([*gold, *paid]))
        own = list(self._own_outputs(self.pool_of))
        return own if len(own) >= self.max_exemplars else [*own, *gold]

    def _own_outputs(self, candidate: str) -> Iterator[Exemplar]:
        done = self.history.evaluations(candidate)
        right = RightOutputs()
        right.take(done.values())
        return (Exemplar(r.input, text, r.id) for r in self.dev for text in right.of(r.id))

    def fits(self, prompt: Prompt) -> bool:
        """Whether prompt, longest input and answer fit the context, as far as can be estimated."""
        if self.context is None:
            return True
        longest = max(len(row.input) for row in (*self.train, *self.dev))
        written = sum(len(e.input) + len(e.output) + 16 for e in prompt.longest)
        characters = len(prompt.instruction) + written + longest + 200
        return characters / CHARACTERS_A_TOKEN + self.max_tokens <= self.context
