"""Candidates meet examples: render, ask, score, in chunks that are worth a line of the journal."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from apo.backends import Backend, Completion, Request
from apo.candidate import Candidate, Evaluation
from apo.closed import begun
from apo.embedding import Embed, SentenceEmbedder
from apo.errors import ApoError, RunError
from apo.nearest import resolve
from apo.plugins import foreign
from apo.prompt import render, stops
from apo.task import Decoding, Example, Score, Scorer

Pair = tuple[Candidate, Example]


@dataclass(frozen=True)
class Evaluator:
    """Evaluates pairs of candidate and example through one stream, so the server is never idle.

    A chunk is handed over when it holds `chunk_rows` evaluations or when `chunk_seconds` have gone by:
    what a crash can lose, and how often a screen moves. Near a batch's end each answer is handed over at
    once: what comes next depends on it.
    """

    backend: Backend
    scorer: Scorer
    decoding: Decoding
    chunk_rows: int = 64
    chunk_seconds: float = 0.5
    clock: Callable[[], float] = time.monotonic
    embed: Embed = field(default_factory=SentenceEmbedder)
    """For prompts that show each input the exemplars nearest to it."""
    ending: Callable[[], bool] = lambda: False
    """Whether the backend has little left to do."""
    labels: tuple[str, ...] = ()
    """If set, one token is generated, and the label that it begins is the output."""

    def prepare(self, pairs: Iterable[Pair]) -> None:
        """Embed at once what prompts that show the nearest need for these pairs.

        What is not prepared is embedded text by text, in the backend's thread, which it holds up.

        Raises:
            RunError: the encoder cannot be loaded.
        """
        asked = [(candidate, row) for candidate, row in pairs if candidate.prompt.nearest is not None]
        pools = {candidate.id: candidate.prompt.exemplars for candidate, _ in asked}
        texts = [row.input for _, row in asked] + [e.input for pool in pools.values() for e in pool]
        if texts:
            with foreign("The sentence encoder failed", RunError):
                self.embed(list(dict.fromkeys(texts)))

    def evaluate(self, pairs: Iterable[Pair]) -> Iterator[tuple[Evaluation, ...]]:
        """Evaluate each pair once; chunks come as answers arrive.

        Pairs are taken as the backend has room for them, maybe from another thread, so whoever gives
        them can still end the batch. A row is never shown an exemplar that was made from itself.
        """
        under_way: dict[str, Pair] = {}
        chunk: list[Evaluation] = []
        began = self.clock()
        try:
            for request, completion in self.backend.stream(self._requests(pairs, under_way)):
                candidate, example = under_way.pop(request.tag)
                chunk.append(self._judge(candidate, example, completion))
                due = len(chunk) >= self.chunk_rows or self.clock() - began >= self.chunk_seconds
                if due or self.ending():
                    whole, chunk = tuple(chunk), []
                    yield whole
                    began = self.clock()
        except (ApoError, KeyboardInterrupt):
            # What was answered before the end is paid for.
            if chunk:
                yield tuple(chunk)
            raise
        if chunk:
            yield tuple(chunk)

    def _requests(self, pairs: Iterable[Pair], under_way: dict[str, Pair]) -> Iterator[Request]:
        seen: set[str] = set()
        for candidate, example in pairs:
            tag = f"{candidate.id}/{example.id}"
            if tag in seen:
                continue
            seen.add(tag)
            under_way[tag] = (candidate, example)
            prompt = resolve(candidate.prompt, example.input, example.id, self.embed)
            yield Request(
                render(prompt, example.input, example.id),
                1 if self.labels else self.decoding.max_tokens,
                stop=stops(candidate.prompt),
                choices=self.decoding.choices,
                tag=tag,
            )

    def _judge(self, candidate: Candidate, example: Example, completion: Completion) -> Evaluation:
        failed, text = completion.failure is not None, completion.text
        if self.labels and not failed:
            text = begun(self.labels, text) or text
        return Evaluation(
            candidate.id,
            example.id,
            text,
            None if failed else self._score(text, example),
            completion.usage,
            completion.failure,
            completion.cut_off and not self.labels,
        )

    def _score(self, output: str, example: Example) -> Score:
        """What the scorer says; it may be anybody's, so it is not trusted to keep its contract."""
        with foreign(f"The scorer failed on row {example.id!r}", RunError):
            score = self.scorer(output, example)
        if not 0 <= score.value <= 1:
            raise RunError(f"The scorer gave {score.value} for row {example.id!r}; scores lie in [0, 1].")
        return score
