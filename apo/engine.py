"""The search: one step after the other, each a fact in the journal, until the budget is spent.

What a step does follows from the history alone, so a run that was cut off goes on where it was.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from apo import events, trial
from apo.alternations import Alternation, Move, turn
from apo.backends import Backend
from apo.belief import belief
from apo.budget import rest, used
from apo.candidate import Candidate
from apo.credit import gain
from apo.errors import ApoError, RunError
from apo.evaluation import Evaluator, Pair
from apo.failures import first_failure, unfit_rows
from apo.forecasting import FIRST_ROWS, check_enough, first_forecast
from apo.history import UNFIT, History
from apo.metering import MeteredModel
from apo.orders import PROMOTED
from apo.planning import longest_first, planned
from apo.plugins import foreign
from apo.proposing import allowed, candidates, share
from apo.schedulers import Scheduler
from apo.schedulers.full import Full
from apo.sealed import compare
from apo.steering import Nobody, Source, Steering
from apo.step import Step
from apo.store import Store
from apo.surrogates import Surrogate
from apo.surrogates.average import Average
from apo.task import Task
from apo.view import SearchView
from apo.whitebox import Opener, WhiteBox, closed

Observer = Callable[[History, events.Record], None]


@dataclass
class Engine:
    """One run. `evaluator` asks the task model, `proposal_backend` writes instructions."""

    task: Task
    history: History
    store: Store
    alternation: Alternation
    scheduler: Scheduler
    evaluator: Evaluator
    proposal_backend: Backend
    surrogate: Surrogate = field(default_factory=Average)
    opener: Opener = closed
    """Opens the white box, if a component asks for it."""
    observer: Observer = lambda _history, _record: None
    source: Source = field(default_factory=Nobody)
    """Where commands come from."""
    look_ahead: "Callable[[Engine], None]" = lambda _engine: None  # see apo.foresight

    def __post_init__(self) -> None:
        """Give people the helm."""
        self.steering = Steering(self.history, self.emit, self.source)

    def run(self) -> None:
        """Search until the budget is spent, then score seed and winner on the sealed test.

        Raises:
            ConfigError: the budget turns out too small for seed and test.
            RunError: the server answers nothing any more, or a component failed.
            KeyboardInterrupt: a person ended the process, not the run.
            Whatever was paid for is in the store.
        """
        try:
            while self.step():
                pass
            self.conclude()
        except ApoError as error:
            # A store that cannot be written cannot take this either; the first error counts.
            with contextlib.suppress(ApoError):
                self.emit(events.ProblemReported(message=str(error), fatal=True))
            raise

    def heed(self, lost: str | None) -> None:
        """Journal that the server is lost, and why, or that it is back (None); people are heard meanwhile.

        Raises:
            KeyboardInterrupt: somebody does not want to wait.
        """
        if lost is not None and not self.history.lost:
            self.emit(events.ServerLost(message=lost))
        if lost is None and self.history.lost:
            self.emit(events.ServerBack())
        self.steering.wait()

    def probe(self) -> None:
        """Only measure: evaluate the seed on its first rows and make the forecast."""
        self._choose_scoring()
        self._begin()
        self._propose(self.history.steps[-1])
        self._ask_first()

    def step(self) -> bool:
        """Do one whole step, or finish the one begun; False when the search is over."""
        steps = self.history.steps
        if self.history.spend["test"].calls > 0:
            return False  # nothing follows the sealed test
        if not steps or steps[-1].finished:
            self.steering.obey()
            self._choose_scoring()
            if not self._begin():
                return False
        step = steps[-1]
        if step.proposed is None:
            self._propose(step)
        self._evaluate(step)
        self.emit(events.StepFinished(step=step.number, gain=gain(self.history, step), calls=step.calls))
        return True

    def conclude(self) -> None:
        """Score winner and seed once on the sealed test, and end the run."""
        if self.history.finished is not None:
            return
        winner = self.history.best()
        if winner is None:
            raise RunError("No candidate was tried on every dev row, so there is no winner.")
        if self.history.tested is None:
            self._test(winner)
        self.steering.close()
        self.emit(events.RunFinished(reason=self._reason(), best=winner.id))

    def _reason(self) -> str:
        if self.history.orders.stopping:
            return "stopped by hand"
        return "nothing left to try" if self._next_move() is None else "budget spent"

    def _test(self, winner: Candidate) -> None:
        both = dict.fromkeys((self.history.candidates["c0"], winner))
        self._ask([(candidate, row) for candidate in both for row in self.task.test], sealed=True)
        self.emit(compare(self.history, winner))

    def view(self, model: MeteredModel) -> SearchView:
        """What components see now."""
        limit = rest(self.history.budget, self.history.total, self.history.seconds)
        return SearchView(
            whitebox=WhiteBox(self.opener, limit, self.evaluator.clock),
            scorer=self.task.scorer,
            description=self.task.description,
            train=self.task.train,
            dev=self.task.dev,
            history=self.history,
            embed=self.evaluator.embed,
            model=model,
            max_exemplars=self.history.spec.max_exemplars,
            max_tokens=self.task.decoding.max_tokens,
            context=self.history.server.context,
        )

    def _choose_scoring(self) -> None:
        """Once, before the search begins, so that all candidates are scored in the same way."""
        history = self.history
        if history.spec.scoring != "generate" and history.scoring is None and not history.steps:
            self.emit(trial.choose(history.spec, self.task, self.evaluator, history.left))

    def _begin(self) -> bool:
        """Start the next step, if there is one."""
        number, left = len(self.history.steps), self.history.left
        if number == 0:
            self.emit(events.StepStarted(step=0, side=None, component="seed", allowance=left))
            return True
        if not self.history.scores("c0"):
            raise RunError(f"The seed prompt got no answer on any dev row. {first_failure(self.history)}")
        # Less than one candidate's dev rows cannot make a new winner.
        over = left < len(self.task.dev) or self.history.orders.stopping
        move = None if over else self._next_move()
        if move is None:
            return False
        allowance = allowed(move, left, len(self.task.dev))
        begun = events.StepStarted(
            step=number,
            side=move.side,
            component=move.component,
            width=move.width,
            allowance=allowance,
            cohort=tuple(self.history.orders.promoted) if move.component == PROMOTED else (),
            pool=move.pool,
        )
        self.emit(begun)
        return True

    def _next_move(self) -> Move | None:
        with foreign(f"The alternation {self.history.spec.alternation!r} failed", RunError):
            return turn(self.alternation, self.history)

    def _propose(self, step: Step) -> None:
        if step.number == 0:
            seed = Candidate("c0", self.task.seed)
            self.emit(events.CandidatesProposed(step=step.number, candidates=(seed,)))
            return
        allowed = int(share(step) * step.allowance)
        model = MeteredModel(self.proposal_backend, allowed, self.evaluator.backend)
        self.emit(candidates(step, self.view(model), self.surrogate))

    def _allowance(self, step: Step) -> int:
        """Calls that a step may still take: what it was given, less what it took.

        No call once a limit of tokens or time is reached: what a step's calls cost is only known then. The
        seed's rows are asked for all the same, also when the run goes on in the middle of them.
        """
        history = self.history
        over = step.number > 0 and used(history.budget, history.total, history.seconds) >= 1
        if self.steering.stopping or over:
            return 0
        return max(0, step.allowance - step.calls)

    def _evaluate(self, step: Step) -> None:
        """Let the scheduler spend evaluations on the step's candidates until it is done."""
        rows = {row.id: row for row in self.task.dev}
        # A seed has no rivals that could spare it rows, so nothing is gained by waiting between its blocks.
        scheduler = Full() if step.number == 0 or step.component == PROMOTED else self.scheduler
        if step.number == 0:
            self._ask_first()
        self._forecast_once()
        self._drop_unfit(step.cohort)
        while True:
            # Not even a promotion is journaled while paused, whether or not this process saw the pause begin.
            self.steering.wait()
            known = belief(self.history, self.surrogate, self.evaluator.embed)
            plan = planned(scheduler, step.cohort, self.history, self._allowance(step), known)
            for candidate, reason in plan.pruned:
                self.emit(events.CandidatePruned(candidate=candidate, reason=reason))
            further = {c: n for c, n in plan.promoted if self.history.promoted.get(c, 0) < n}
            if further:
                self.emit(events.CandidatesPromoted(rows=further))
            if not plan.assignments or self.steering.stopping:
                return
            asked = longest_first(plan.assignments, self.history)
            self._ask([(self.history.candidates[c], rows[row]) for c, row in asked])

    def _ask_first(self) -> None:
        """The seed's rows from which the forecast is made, before any other."""
        seed = self.history.candidates["c0"]
        self._ask([(seed, row) for row in self.history.dev[:FIRST_ROWS]])

    def _ask(self, pairs: Sequence[Pair], sealed: bool = False) -> None:
        """Evaluate pairs, each chunk into the journal as it comes; a pause ends in here, a stop outside."""
        done_of = self.history.test_evaluations if sealed else self.history.evaluations
        self.evaluator.prepare(pairs)
        evaluator = self.evaluator if sealed else trial.scoring(self.evaluator, self.history.scoring)
        while True:
            self.steering.wait()
            left = [p for p in pairs if p[1].id not in done_of(p[0].id) and self._wanted(p, sealed)]
            if not left:
                return
            for chunk in evaluator.evaluate(self._until_halted(left, sealed)):
                self.emit(events.EvaluationsFinished(evaluations=chunk, sealed=sealed))
                self._forecast_once()
                if not sealed:
                    self._drop_unfit(dict.fromkeys(e.candidate for e in chunk if e.failure is not None))
                    self.look_ahead(self)
                self.steering.listen()

    def _until_halted(self, pairs: Sequence[Pair], sealed: bool) -> Iterator[Pair]:
        """The pairs, as long as new rows may be asked."""
        for pair in pairs:
            if self.steering.halted:
                return
            if self._wanted(pair, sealed):
                yield pair

    def _wanted(self, pair: Pair, sealed: bool) -> bool:
        """Whether a pair is still to be asked: the search may have dropped its candidate, or be stopped."""
        return sealed or not (self.steering.stopping or pair[0].id in self.history.pruned)

    def _drop_unfit(self, cohort: Iterable[str]) -> None:
        """Drop candidates that the model's context cannot hold; they cannot be scored.

        Rows that not even the seed prompt fits with say nothing of a candidate.
        """
        hopeless = unfit_rows(self.history, "c0")
        for candidate in cohort:
            alive = candidate != "c0" and candidate not in self.history.pruned
            if alive and unfit_rows(self.history, candidate) - hopeless:
                self.emit(events.CandidatePruned(candidate=candidate, reason=UNFIT))

    def _forecast_once(self) -> None:
        """Make the forecast, if it is time; a budget that was refused is so again when a run goes on."""
        made = first_forecast(self.history, self.task)
        if made is not None:
            self.emit(events.ForecastMade(forecast=made))
        if self.history.forecast is not None and len(self.history.steps) == 1:
            check_enough(self.history.forecast, self.task)

    def emit(self, event: events.Event) -> None:
        """Write an event, fold it in, and show it."""
        record = self.store.append(event)
        self.history.apply(record)
        self.observer(self.history, record)
