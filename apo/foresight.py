"""What a search will probably ask next, found by running its engine ahead of itself on guesses.

While the last rows of a plan are answered the server has room, but what comes next depends on these very
rows. So a branch of the history is gone on with by the same engine, as a run that was cut off is, except
that the score of each missing answer is drawn from those that its candidate has. Only the requests are
of interest; the branch is forgotten. This is done a few times, with candidates as good as they may well be:
what comes each time is as good as sure, and what comes mostly a guess. What a proposer asks is foreseen too,
and as its replies come, one by one, what follows from those that are there; but nothing that depends on
weights or on embeddings.

Some of what is asked later does not depend on what is missing: often what a proposer asks in one of the
next steps, long texts that a server writes one by one where it has nothing beside them, so they are asked at
once. And whatever the search finds, the seed will meet the sealed test: its answers fill what room is left,
and nobody sees them before.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from random import Random

from apo.backends import Answer, Backend, Completion, Request, drop, unmarked
from apo.backends.ahead import Ahead
from apo.engine import Engine
from apo.errors import ApoError
from apo.guesses import HOLE, Blind, EnoughError, Guesser, Mute, Recalled, Skipper, unembedded
from apo.history import History
from apo.prompt import as_text
from apo.steering import Nobody
from apo.store.memory import MemoryStore
from apo.whitebox import closed

Replies = OrderedDict[Request, Completion]
"""What a proposer's model has answered of late, by requests without their marks."""
REPLIES = 256
"""Most of them."""
TIMES = 8
"""How often the rest of a plan is guessed."""
MOSTLY = 0.5
"""Share of these times that make a guess."""
STEPS = 4
"""How far ahead it is guessed what a proposer asks: long texts take as long as some steps."""
LOOK_EVERY = 0.25
"""Seconds between two looks ahead, at least."""
LOOKING = 0.1
"""Of the time, what each kind of look may take of a processor: the model may need it."""


@dataclass
class Pace:
    """How often something may be looked at: every LOOK_EVERY seconds, and for LOOKING of the time at most."""

    after: float = float("-inf")

    def due(self, now: float) -> bool:
        """Whether it may be."""
        return now >= self.after

    @contextmanager
    def measured(self, clock: Callable[[], float]) -> Iterator[None]:
        """Around a look. What counts is a processor's time, not how long others had it meanwhile."""
        began = time.thread_time()
        yield
        self.after = clock() + max(LOOK_EVERY, (time.thread_time() - began) / LOOKING)


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
class Foreseen:
    """The next requests of a run, those under way among them, without their marks."""

    sure: list[Request]
    """In about the order in which they are asked."""
    guessed: list[Request]
    """The most probable first."""


def foreseen(
    engine: Engine,
    far: int,
    times: int = TIMES,
    replies: Mapping[Request, Completion] | None = None,
    alike: bool = True,
) -> Foreseen:
    """What a run asks next: up to `far` requests, or a plan's rows more.

    Args:
        engine: the run's.
        far: how many requests.
        times: how often to draw.
        replies: what a proposer's model has answered so far.
        alike: whether what proposers ask is of interest: their model is the task's.
    """
    draws = [_drawn(engine, far, Random(draw), replies or {}, alike) for draw in range(times)]
    often = Counter(request for draw in draws for request in set(draw))
    sure = [request for request in draws[0] if often[request] == times]
    guessed = [request for request in draws[0] if MOSTLY * times <= often[request] < times]
    return Foreseen(sure, sorted(guessed, key=lambda request: -often[request]))


def spare(engine: Engine) -> list[Request]:
    """The seed on the sealed test, asked in the end; nothing where each row has exemplars of its own."""
    seed, mute = engine.history.candidates["c0"], Mute()
    evaluator = Guesser(mute, engine.task.scorer, engine.task.decoding, embed=unembedded, far=0)
    with suppress(EnoughError):
        list(evaluator.evaluate((seed, row) for row in engine.task.test))
    return [unmarked(request) for request in mute.foreseen]


@dataclass(frozen=True)
class Texts:
    """What a proposer will ask."""

    step: int
    """Number of the step in which it does."""
    requests: list[Request]
    """Without their marks."""


def proposing(engine: Engine, times: int = TIMES, steps: int = STEPS) -> Texts | None:
    """What a proposer will ask first in the next `steps`, whatever comes before that; None: nobody knows."""
    draws: list[list[Request]] = []
    begun = len(engine.history.steps)
    for draw in range(times):
        mute, scorer, decoding = Mute(), engine.task.scorer, engine.task.decoding
        skipper = Skipper(Mute(), scorer, decoding, rng=Random(draw), last=begun - 2 + steps)
        branch = _go_on(engine, skipper, mute)
        draws.append(_whole(mute.foreseen))
        if not draws[-1]:
            return None
    everywhere = set(draws[0]).intersection(*draws)
    requests = [request for request in draws[0] if request in everywhere]
    return Texts(len(branch.steps) - 1, requests) if requests else None


def _drawn(
    engine: Engine, far: int, rng: Random, replies: Mapping[Request, Completion], alike: bool
) -> list[Request]:
    """The next requests, without their marks, if missing answers turn out as drawn."""
    mute = Recalled(replies=replies)
    proposer = mute if alike else Recalled(replies=replies)
    _go_on(engine, Guesser(mute, engine.task.scorer, engine.task.decoding, far=far, rng=rng), proposer)
    return _whole(mute.foreseen)


def _whole(requests: Iterable[Request]) -> list[Request]:
    """Those that hold nothing that is not there, without their marks."""
    return [unmarked(request) for request in requests if HOLE not in as_text(request.rendered)]


def _go_on(engine: Engine, guesser: Guesser, proposer: Mute) -> History:
    """Let a branch of a run go on, unseen, until there is enough; how far it came."""
    history, clock = engine.history.branch(), engine.evaluator.clock
    branch = replace(
        engine,
        history=history,
        store=MemoryStore(clock=clock),
        evaluator=replace(guesser, clock=clock, embed=unembedded, history=history),
        proposal_backend=proposer,
        surrogate=Blind(),
        opener=closed,
        observer=lambda _history, _record: None,
        source=Nobody(),
        look_ahead=lambda _engine: None,
    )
    with suppress(ApoError):
        while branch.step():
            pass
    return history


def looking_ahead(
    ahead: Ahead, known: Callable[[Request], bool], replies: Replies, alike: bool = True
) -> Callable[[Engine], None]:
    """What an engine does while a batch ends: `ahead` is told what comes next and is not `known` already.

    `alike`: it is also what proposers ask.
    """
    looked, spared = 0, False
    of_texts, of_rows = Pace(), Pace()

    def look(engine: Engine) -> None:
        if not engine.steering.halted:
            at_texts(engine)
            at_rows(engine)

    def at_texts(engine: Engine) -> None:
        nonlocal looked
        clock, steps = engine.evaluator.clock, engine.history.steps
        if alike and len(steps) > looked and steps[-1].proposed is not None and of_texts.due(clock()):
            with of_texts.measured(clock):
                texts = proposing(engine)
            looked = texts.step if texts else len(steps)
            if texts:
                ahead.early(request for request in texts.requests if not known(request))

    def at_rows(engine: Engine) -> None:
        nonlocal spared
        clock = engine.evaluator.clock
        if not ahead.roomy or not of_rows.due(clock()):
            return
        with of_rows.measured(clock):
            if not spared:
                ahead.spare(request for request in spare(engine) if not known(request))
                spared = True
            found = foreseen(engine, ahead.far, replies=replies, alike=alike)
            ahead.expect(*([r for r in requests if not known(r)] for requests in (found.sure, found.guessed)))

    return look
