"""What a search will probably ask next, found by running its engine ahead of itself on guesses.

While the last rows of a plan are answered the server has room, but what comes next depends on these very
rows. So a branch of the history is gone on with by the same engine, as a run that was cut off is, except
that the score of each missing answer is drawn from those that its candidate has. Only the requests are
of interest; the branch is forgotten. This is done a few times: what comes each time is as good as sure, and
what comes mostly a guess. What a proposer asks is foreseen too, and as its replies come, one by one, what
follows from those that are there; but nothing that depends on weights or on embeddings.

Some of what is asked later does not depend on what is missing: often what the next proposer asks, long texts
that a server writes one by one where it has nothing beside them. And whatever the search finds, the seed will
meet the sealed test: its answers fill what room is left, and nobody sees them before.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

from apo.backends import Answer, Backend, Completion, Request, drop, unmarked
from apo.backends.ahead import Ahead
from apo.candidate import Evaluation, Usage
from apo.embedding import Embed
from apo.engine import Engine
from apo.errors import ApoError
from apo.evaluation import Evaluator, Pair
from apo.history import History
from apo.prompt import Prompt, as_text
from apo.steering import Nobody
from apo.store.memory import MemoryStore
from apo.surrogates import Fitted
from apo.task import Example, Score
from apo.whitebox import closed

if TYPE_CHECKING:
    from apo.arrays import Floats

Replies = OrderedDict[Request, Completion]
"""What a proposer's model has answered of late, by requests without their marks."""
REPLIES = 256
"""Most of them."""
HOLE = "(no reply yet)"
"""Begins what stands for a reply that is not there; what is made of it is not foreseen."""
TIMES = 8
"""How often the rest of a plan is guessed."""
MOSTLY = 0.5
"""Share of these times that make a guess."""
LOOK_EVERY = 0.25
"""Seconds between two looks ahead, at least."""
LOOKING = 0.1
"""Of the time, what looking may take: the model may need the processor."""


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
class Overheard:
    """A proposer's model, of whose replies note is taken, and then a look ahead."""

    backend: Backend
    replies: Replies
    look: Callable[[], None]

    def stream(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """The backend's answers."""
        answers = self.backend.stream(requests)
        try:
            for request, completion in answers:
                self.replies[unmarked(request)] = completion
                if len(self.replies) > REPLIES:
                    self.replies.popitem(last=False)
                self.look()
                yield request, completion
        finally:
            drop(answers)


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

    def prepare(self, pairs: Iterable[Pair]) -> None:
        """Nothing is embedded for a guess."""

    def evaluate(self, pairs: Iterable[Pair]) -> Iterator[tuple[Evaluation, ...]]:
        """Each row scored like one of its candidate's rows so far, or where there is none of the best's."""
        asked = list(pairs)
        foreseen = self.backend.foreseen
        foreseen.extend(self._requests(asked, {}))
        if len(foreseen) >= self.far:
            raise EnoughError
        yield tuple(self._guessed(candidate.id, row) for candidate, row in asked)

    def _guessed(self, candidate: str, row: Example) -> Evaluation:
        best = self.history.best()
        known = self.history.scores(candidate) or (self.history.scores(best.id) if best else {})
        score = self.rng.choice(list(known.values())) if known else 0.0
        return Evaluation(candidate, row.id, row.target, Score(score), Usage())


@dataclass(frozen=True)
class Skipper(Guesser):
    """An evaluator that guesses the rest of a step, and takes down nothing."""

    step: int = 0
    """That step's number."""

    def evaluate(self, pairs: Iterable[Pair]) -> Iterator[tuple[Evaluation, ...]]:
        """Each row scored like one of its candidate's rows so far.

        Raises:
            EnoughError: the step is over.
        """
        if len(self.history.steps) - 1 > self.step:
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


@dataclass(frozen=True)
class Foreseen:
    """The next requests of a run, those under way among them, without their marks."""

    sure: list[Request]
    guessed: list[Request]


def foreseen(
    engine: Engine, far: int, times: int = TIMES, replies: Mapping[Request, Completion] | None = None
) -> Foreseen:
    """What a run asks next, in the order in which it does so: up to `far` requests, or a plan's rows more.

    Args:
        engine: the run's.
        far: how many requests.
        times: how often to draw.
        replies: what a proposer's model has answered so far.
    """
    draws = [_drawn(engine, far, Random(time), replies or {}) for time in range(times)]
    often = Counter(request for draw in draws for request in set(draw))
    sure = [request for request in draws[0] if often[request] == times]
    return Foreseen(sure, [request for request in draws[0] if MOSTLY * times <= often[request] < times])


def spare(engine: Engine) -> list[Request]:
    """The seed on the sealed test, asked in the end; nothing where each row has exemplars of its own."""
    seed, mute = engine.history.candidates["c0"], Mute()
    evaluator = Guesser(mute, engine.task.scorer, engine.task.decoding, embed=_embedded, far=0)
    with suppress(EnoughError):
        list(evaluator.evaluate((seed, row) for row in engine.task.test))
    return [unmarked(request) for request in mute.foreseen]


def proposing(engine: Engine, times: int = TIMES) -> list[Request]:
    """What the next step's proposer will ask whatever the rest of this step brings, without marks."""
    draws = []
    for time in range(times):
        history, mute = engine.history.branch(), Mute()
        skipper = Skipper(
            Mute(),
            engine.task.scorer,
            engine.task.decoding,
            clock=engine.evaluator.clock,
            embed=_embedded,
            history=history,
            rng=Random(time),
            step=len(history.steps) - 1,
        )
        _go_on(replace(engine, history=history, evaluator=skipper, proposal_backend=mute))
        draws.append([unmarked(request) for request in mute.foreseen])
        if not draws[-1]:
            return []
    everywhere = set(draws[0]).intersection(*draws)
    return [request for request in draws[0] if request in everywhere]


def _drawn(engine: Engine, far: int, rng: Random, replies: Mapping[Request, Completion]) -> list[Request]:
    """The next requests, without their marks, if missing answers turn out as drawn."""
    history, mute = engine.history.branch(), Recalled(replies=replies)
    guesser = Guesser(
        mute,
        engine.task.scorer,
        engine.task.decoding,
        clock=engine.evaluator.clock,
        embed=_embedded,
        history=history,
        far=far,
        rng=rng,
    )
    _go_on(replace(engine, history=history, evaluator=guesser, proposal_backend=mute))
    return [unmarked(request) for request in mute.foreseen if HOLE not in as_text(request.rendered)]


def _go_on(branch: Engine) -> None:
    """Let a branch of a run go on, unseen, until there is enough."""
    branch = replace(
        branch,
        store=MemoryStore(clock=branch.evaluator.clock),
        surrogate=Blind(),
        opener=closed,
        observer=lambda _history, _record: None,
        source=Nobody(),
        look_ahead=lambda _engine: None,
    )
    with suppress(ApoError):
        while branch.step():
            pass


def looking_ahead(
    ahead: Ahead, known: Callable[[Request], bool], replies: Replies
) -> Callable[[Engine], None]:
    """What an engine does while a batch ends: `ahead` is told what comes next and is not `known` already."""
    due, looked = float("-inf"), 0

    def look(engine: Engine) -> None:
        nonlocal due, looked
        clock = engine.evaluator.clock
        if not ahead.roomy or engine.steering.halted or clock() < due:
            return
        now, steps = clock(), engine.history.steps
        if len(steps) > looked and steps[-1].proposed is not None:
            later = [*proposing(engine), *spare(engine)]
            ahead.spare(request for request in later if not known(request))
            looked = len(steps)
        found = foreseen(engine, ahead.far, replies=replies)
        ahead.expect(*([r for r in requests if not known(r)] for requests in (found.sure, found.guessed)))
        due = clock() + max(LOOK_EVERY, (clock() - now) / LOOKING)

    return look


def _embedded(_texts: Sequence[str]) -> "Floats":
    raise EnoughError
