"""The state of a run as a fold over its events; the same for a live run and one read from disk."""

import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from apo import commands, events
from apo.budget import Budget, Forecast, Spend, calls_left
from apo.candidate import Candidate, Evaluation, Prediction, cost, prompt_length
from apo.errors import RunError
from apo.orders import HUMAN, PROMOTED, Orders
from apo.ranking import Key
from apo.spec import Identity, RunSpec, TaskCard
from apo.standing import Standing, Tried
from apo.step import Step
from apo.task import Example

MOST_MISSING = 0.1
"""Share of dev rows without an answer that a winner may have."""
ROLES = ("task", "proposal", "whitebox", "test")
UNFIT = "does not fit the context"
BANNED = "banned by hand"
"""Why a candidate was dropped that the model's context cannot hold, or that a person banned."""


class History:
    """All that is known of a run. Only `apply` changes it."""

    def __init__(self, records: Iterable[events.Record] = ()) -> None:
        self.started: events.RunStarted | None = None
        self.candidates: dict[str, Candidate] = {}
        self.pruned: dict[str, str] = {}
        """Candidate id to the reason."""
        self.predictions: dict[str, Prediction] = {}
        """What a surrogate expected of candidates, before they were evaluated."""
        self.promoted: dict[str, int] = {}
        """Candidate id to the rows of the last rung that it was promoted to."""
        self.steps: list[Step] = []
        self.spend = {role: Spend() for role in ROLES}
        """By role. `test` is the sealed evaluation at the end; `whitebox` makes no calls."""
        self.discards: Counter[str] = Counter()
        """Reasons for which proposals were discarded."""
        self.problems: list[str] = []
        self.forecast: Forecast | None = None
        self.scoring: events.ScoringChosen | None = None
        self.tested: events.TestScored | None = None
        self.finished: events.RunFinished | None = None
        self.seconds = 0.0
        """Time between the run's events, less pauses, interruptions and waits for a lost server."""
        self.paused = False
        self.lost = ""
        """Why the server counts as lost; empty while it answers."""
        self.orders = Orders()
        self.length = 0
        self._last_time: float | None = None
        self._dev: dict[str, dict[str, Evaluation]] = {}
        self._test: dict[str, dict[str, Evaluation]] = {}
        self._standing = Standing()
        for record in records:
            self.apply(record)

    def branch(self) -> "History":
        """A copy that can be taken further without changing this one."""
        twin = copy.copy(self)
        kept = {name: value for name, value in vars(self).items() if isinstance(value, dict | list)}
        vars(twin).update({name: value.copy() for name, value in kept.items()})
        twin._dev = {candidate: dict(rows) for candidate, rows in self._dev.items()}
        twin.steps = [*self.steps[:-1], *(replace(step) for step in self.steps[-1:])]
        twin.orders = copy.deepcopy(self.orders)
        twin._standing = self._standing.branch()
        return twin

    def apply(self, record: events.Record) -> None:
        """Take one more fact in."""
        self._take_time(record)
        self.length = record.n + 1
        match record.event:
            case events.RunStarted() as started:
                self.started = started
                self.orders.budget = started.spec.budget
            case events.StepStarted() as b:
                self.steps.append(Step(b.step, b.side, b.component, b.width, b.allowance, b.cohort, b.pool))
                if b.component == PROMOTED:
                    self.orders.promoted.clear()
            case events.CandidatesProposed() as proposed:
                self._take_proposed(proposed)
            case events.EvaluationsFinished(evaluations=done, sealed=sealed):
                self._take_evaluations(done, sealed)
            case events.CandidatePruned(candidate=candidate, reason=reason):
                self.pruned[candidate] = reason
                self._standing.forget([candidate])
            case events.StepFinished(gain=gain, calls=calls):
                step = self.steps[-1]
                step.finished, step.gain, step.calls = True, gain, calls
            case events.ProblemReported(message=message):
                self.problems.append(message)
            case events.ForecastMade(forecast=made):
                self.forecast = made
            case events.TestScored() as tested:
                self.tested = tested
            case events.RunFinished() as finished:
                self.finished = finished
            case events.ScoringChosen() as chosen:
                self.scoring, self.spend["task"] = chosen, self.spend["task"] + chosen.spend
            case events.CandidatesPromoted(rows=rows):
                self.promoted.update(rows)
            case other:
                self._take_interruption(other)

    def _take_interruption(self, happened: events.Event) -> None:
        match happened:
            case events.RunPaused() | events.RunContinued():
                self.paused = isinstance(happened, events.RunPaused)
                self.orders.turning = False
            case events.ServerLost(message=message):
                self.lost = message
            case events.ServerBack():
                self.lost = ""
            case events.CommandReceived(sent=sent):
                self.orders.received[sent.id] = sent
            case events.CommandApplied(id=command) | events.CommandRefused(id=command):
                self._take_order(command, isinstance(happened, events.CommandApplied))

    def _take_time(self, record: events.Record) -> None:
        counts = not (self.paused or self.lost or isinstance(record.event, events.RunResumed))
        if self._last_time is not None and counts:
            self.seconds += max(0.0, record.t - self._last_time)
        self._last_time = record.t

    def _take_order(self, command: str, applied: bool) -> None:
        sent = self.orders.settle(command)
        if sent is None or not applied:
            return
        match sent.command:
            case commands.Promote(candidate=candidate):
                self.pruned.pop(candidate, None)
                self._standing.forget([candidate])
            case commands.Ban(candidate=candidate):
                self.pruned[candidate] = BANNED
                self._standing.forget([candidate])
            case commands.Pause() | commands.Resume():
                self.orders.turning = True
            case commands.Stop(now=False):
                self.orders.turning = self.paused
        self.orders.take(sent.command)

    def _take_proposed(self, proposed: events.CandidatesProposed) -> None:
        for candidate in proposed.candidates:
            self.candidates[candidate.id] = candidate
            self._dev[candidate.id] = {}
        self.steps[-1].take(proposed)
        if self.steps[-1].component == HUMAN:
            self.orders.added.clear()
        self.predictions.update(proposed.predictions)
        self.discards.update(d.reason for d in proposed.discarded)
        self.spend["proposal"] += proposed.spend
        self.spend["whitebox"] += proposed.whitebox
        if proposed.problem:
            self.problems.append(proposed.problem)

    def _take_evaluations(self, done: Sequence[Evaluation], sealed: bool) -> None:
        table = self._test if sealed else self._dev
        for one in done:
            table.setdefault(one.candidate, {})[one.example] = one
        self.spend["test" if sealed else "task"] += cost(done)
        if not sealed:
            self.steps[-1].calls += len(done)
            self._standing.right.take(done)
            self._standing.forget({one.candidate for one in done})

    def evaluations(self, candidate: str) -> dict[str, Evaluation]:
        """A candidate's dev evaluations by example id, failures included."""
        return self._dev.get(candidate, {})

    def test_evaluations(self, candidate: str) -> dict[str, Evaluation]:
        """A candidate's evaluations on the sealed test, after the search."""
        return self._test.get(candidate, {})

    def scores(self, candidate: str) -> dict[str, float]:
        """A candidate's dev scores by example id; rows without an answer are missing.

        It is the same object until the candidate is evaluated further; nobody may change it.
        """
        return self._standing.scores_of(candidate, self.evaluations(candidate))

    def is_full(self, candidate: str) -> bool:
        """Whether every dev row was tried with this candidate."""
        return len(self.evaluations(candidate)) == len(self.run.dev)

    def mean(self, candidate: str) -> float:
        """Mean dev score over the answered rows; 0 without any."""
        values = self.scores(candidate).values()
        return sum(values) / len(values) if values else 0.0

    def best(self) -> Candidate | None:
        """The fully evaluated candidate with the highest dev mean; ties go to the shorter prompt.

        A candidate with fewer rows never wins, however lucky its rows were, nor does one of whose rows
        more than MOST_MISSING failed, as long as there is another.
        """
        standing = self._standing
        if standing.moved:
            found = self.best_of(standing.rivals(self.candidates))
            standing.best = found.id if found else None
        return self.candidates[standing.best] if standing.best else None

    def best_of(self, candidates: Iterable[str]) -> Candidate | None:
        """The same among some candidates."""
        found = (self._standing.place(c, self._place) for c in candidates if c not in self.pruned)
        first = min((place for place in found if place is not None), default=None)
        return self.candidates[f"c{first[1][2]}"] if first else None

    def leading(self) -> Candidate | None:
        """The best candidate, or while none is complete the one with the best mean so far."""
        return self.best() or next(self.ranked(), None)

    def ranked(self) -> Iterator[Candidate]:
        """The candidates with scores, complete ones first, then by `preference`; till something changes."""
        return (self.candidates[candidate] for candidate in self._standing.ranked(self._rank))

    def right_outputs(self, row: str) -> list[str]:
        """Some texts that were fully correct on a dev row, each once, those of older candidates first."""
        return self._standing.right.of(row)

    @property
    def tried(self) -> Tried:
        """What the candidates read like."""
        self._standing.tried.catch_up(self.candidates)
        return self._standing.tried

    def _rank(self, candidate: str) -> Key | None:
        """A key that sorts who has scores, complete ones first; None for the others."""
        if candidate not in self.candidates or not self.scores(candidate):
            return None
        return not self.is_full(candidate), self.preference(self.candidates[candidate])

    def _place(self, candidate: str) -> Key | None:
        """A key that sorts who could win, best first; None for who cannot win."""
        rank = self._rank(candidate)
        if rank is None or not self.is_full(candidate):
            return None
        missing = len(self.dev) - len(self.scores(candidate))
        return missing > MOST_MISSING * len(self.dev), rank[1]

    def preference(self, candidate: Candidate) -> tuple[float, int, int]:
        """A key that sorts the better candidate first: mean, then length, then age."""
        return (-self.mean(candidate.id), prompt_length(candidate), int(candidate.id[1:]))

    @property
    def run(self) -> events.RunStarted:
        """What the run was started with.

        Raises:
            RunError: the journal does not begin with it.
        """
        if self.started is None:
            raise RunError("The journal has no RunStarted event, so it describes no run.")
        return self.started

    @property
    def spec(self) -> RunSpec:
        """What was asked for."""
        return self.run.spec

    @property
    def task(self) -> TaskCard:
        """The task in brief."""
        return self.run.task

    @property
    def server(self) -> Identity:
        """What answers."""
        return self.run.server

    @property
    def dev(self) -> tuple[Example, ...]:
        """The dev rows in the run's order."""
        return self.run.dev

    @property
    def budget(self) -> Budget:
        """The limits now: those asked for, or what people set since."""
        return self.orders.budget

    @property
    def sealed_left(self) -> int:
        """Calls that the sealed test will still take: seed and winner on every row of it."""
        return 2 * self.task.sizes[2] - self.spend["test"].calls

    @property
    def left(self) -> int:
        """Calls left for the search, after what the sealed test will take."""
        aside = self.spend["whitebox"]
        return max(0, calls_left(self.budget, self.total, self.seconds, aside) - self.sealed_left)

    @property
    def total(self) -> Spend:
        """The spend of all roles together."""
        return sum(self.spend.values(), Spend())
