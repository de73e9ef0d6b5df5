"""The search: one step after the other, each a fact in the journal, until the budget is spent.

What a step does follows from the history alone, so a run that was cut off goes on where it was.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from apo import events
from apo.alternation import Move, next_move
from apo.backends import Backend
from apo.budget import calls_left, used
from apo.candidate import Candidate, Evaluation
from apo.errors import ApoError, RunError
from apo.evaluation import Evaluator, Pair
from apo.forecasting import FIRST_ROWS, check_enough, first_forecast, test_calls
from apo.history import History, Step, scored
from apo.hygiene import inspect
from apo.metering import MeteredModel
from apo.moves import propose
from apo.schedulers import Plan, Scheduler
from apo.seeding import rng
from apo.statistics import mean_interval, paired_difference
from apo.store import Store
from apo.task import Task
from apo.view import SearchView

SHARE = 0.35
"""Of the calls left, what one step may take; at least two candidates' worth of dev rows."""
PROPOSAL_SHARE = 0.25
"""Of a step's calls, what proposing may take."""
BROKEN_AFTER = 24
"""Failures in a row after which the server counts as gone."""

Observer = Callable[[History, events.Record], None]


@dataclass
class Engine:
    """One run. `evaluator` asks the task model, `proposal_backend` writes instructions."""

    task: Task
    history: History
    store: Store
    scheduler: Scheduler
    evaluator: Evaluator
    proposal_backend: Backend
    observer: Observer = lambda _history, _record: None
    _failures_in_a_row: int = field(default=0, init=False)

    def run(self) -> None:
        """Search until the budget is spent, then score seed and winner on the sealed test.

        Raises:
            ConfigError: the budget turns out too small for seed and test.
            RunError: the server answers nothing any more, or a component failed.
            Whatever was paid for is in the store.
        """
        try:
            while self.step():
                pass
            self.conclude()
        except ApoError as error:
            self._emit(events.ProblemReported(message=str(error), fatal=True))
            raise

    def probe(self) -> None:
        """Only measure: evaluate the seed on its first rows and make the forecast."""
        self._begin()
        self._propose(self.history.steps[-1])
        seed = self.history.candidates["c0"]
        self._ask([(seed, row) for row in self.history.dev[:FIRST_ROWS]])

    def step(self) -> bool:
        """Do one whole step, or finish the one begun; False when the search is over."""
        steps = self.history.steps
        if (not steps or steps[-1].finished) and not self._begin():
            return False
        step = steps[-1]
        if step.proposed is None:
            self._propose(step)
        self._evaluate(step)
        self._emit(
            events.StepFinished(step=step.number, gain=self._gain(step), calls=self.history.step_calls(step))
        )
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
        reason = "nothing left to try" if next_move(self.history) is None else "budget spent"
        self._emit(events.RunFinished(reason=reason, best=winner.id))

    def _test(self, winner: Candidate) -> None:
        seed = self.history.candidates["c0"]
        for candidate in dict.fromkeys((seed, winner)):
            done = self.history.test_evaluations(candidate.id)
            pairs = [(candidate, row) for row in self.task.test if row.id not in done]
            self._ask(pairs, sealed=True)
        ours, theirs = (scored(self.history.test_evaluations(c.id)) for c in (winner, seed))
        self._emit(
            events.TestScored(
                candidate=winner.id,
                score=mean_interval(list(ours.values())),
                seed=mean_interval(list(theirs.values())),
                difference=paired_difference(ours, theirs),
            )
        )

    def left(self) -> int:
        """Calls left for the search, after what the sealed test will take."""
        history = self.history
        left = calls_left(history.spec.budget, history.total, history.seconds)
        pending = test_calls(self.task) - history.spend["test"].calls
        return max(0, left - pending)

    def view(self, model: MeteredModel) -> SearchView:
        """What components see now."""
        return SearchView(
            description=self.task.description,
            train=self.task.train,
            dev=self.task.dev,
            history=self.history,
            model=model,
            max_exemplars=self.history.spec.max_exemplars,
            max_tokens=self.task.decoding.max_tokens,
            context=self.history.server.context,
        )

    def _begin(self) -> bool:
        """Start the next step, if there is one."""
        number, left = len(self.history.steps), self.left()
        if number == 0:
            self._emit(events.StepStarted(step=0, side=None, component="seed", allowance=left))
            return True
        if not self.history.scores("c0"):
            raise RunError(f"The seed prompt got no answer on any dev row. {self.first_failure()}")
        # Less than one candidate's dev rows cannot make a new winner, and nothing follows the test.
        over = left < len(self.task.dev) or self.history.spend["test"].calls > 0
        move = None if over else next_move(self.history)
        if move is None:
            return False
        allowance = min(left, max(2 * len(self.task.dev), int(SHARE * left)))
        begun = events.StepStarted(
            step=number, side=move.side, component=move.component, width=move.width, allowance=allowance
        )
        self._emit(begun)
        return True

    def _propose(self, step: Step) -> None:
        if step.side is None:
            seed = Candidate("c0", self.task.seed)
            self._emit(events.CandidatesProposed(step=step.number, candidates=(seed,)))
            return
        model = MeteredModel(self.proposal_backend, int(PROPOSAL_SHARE * step.allowance))
        view = self.view(model)
        move = Move(step.side, step.component, step.width)
        draws = rng(self.history.spec.seed, step.number, "propose")
        kept, discarded = inspect(propose(move, view, draws), view)
        start = len(self.history.candidates)
        origin = step.component.partition(":")[0]
        candidates = tuple(
            Candidate(f"c{start + place}", p.prompt, p.parents, origin, step.side, p.note)
            for place, p in enumerate(kept)
        )
        self._emit(
            events.CandidatesProposed(
                step=step.number,
                candidates=candidates,
                discarded=tuple(discarded),
                spend=model.spend,
                problem=model.problem,
            )
        )

    def _allowance(self, step: Step) -> int:
        """Calls that a step may still take: what it was given, less what it took.

        No call once a limit of tokens or time is reached: what a step's calls cost is only known then.
        """
        history = self.history
        if used(history.spec.budget, history.total, history.seconds) >= 1:
            return 0
        return max(0, step.allowance - history.step_calls(step))

    def _evaluate(self, step: Step) -> None:
        """Let the scheduler spend evaluations on the step's candidates until it is done."""
        rows = {row.id: row for row in self.task.dev}
        cohort = step.proposed or ()
        while True:
            self._forecast_once()
            self._drop_unfit(cohort)
            plan = self._plan(cohort, self._allowance(step))
            for candidate, reason in plan.pruned:
                self._emit(events.CandidatePruned(candidate=candidate, reason=reason))
            for candidate, upto in plan.promoted:
                if self.history.promoted.get(candidate, 0) < upto:
                    self._emit(events.CandidatePromoted(candidate=candidate, rows=upto))
            if not plan.assignments:
                return
            self._ask([(self.history.candidates[c], rows[row]) for c, row in plan.assignments])

    def _plan(self, cohort: Sequence[str], allowance: int) -> Plan:
        """What the scheduler says, if it keeps to its contract: a broken one must not spend."""
        plan = self.scheduler.plan(cohort, self.history, allowance)
        again = [(c, row) for c, row in plan.assignments if row in self.history.evaluations(c)]
        if again or len(plan.assignments) > allowance:
            raise RunError(
                f"The scheduler {self.history.spec.scheduler!r} asks for {len(plan.assignments)} rows where "
                f"{allowance} calls are left, {len(again)} of them a second time."
            )
        return plan

    def _ask(self, pairs: Sequence[Pair], sealed: bool = False) -> None:
        """Evaluate pairs, each chunk into the journal as it comes."""
        for chunk in self.evaluator.evaluate(pairs):
            self._emit(events.EvaluationsFinished(evaluations=chunk, sealed=sealed))
            self._forecast_once()
            self._check_alive(chunk)

    def _check_alive(self, chunk: Sequence[Evaluation]) -> None:
        for evaluation in chunk:
            failure = evaluation.failure
            broken = failure is not None and failure.kind not in ("context", "refusal")
            self._failures_in_a_row = self._failures_in_a_row + 1 if broken else 0
            if failure is not None and self._failures_in_a_row >= BROKEN_AFTER:
                raise RunError(
                    f"The model server failed {BROKEN_AFTER} times in a row, last with "
                    f"{failure.kind}: {failure.message} What was answered before is kept."
                )

    def _drop_unfit(self, cohort: Sequence[str]) -> None:
        """Drop candidates that the model's context cannot hold; they cannot be scored.

        Rows that not even the seed prompt fits with say nothing of a candidate.
        """
        hopeless = unfit_rows(self.history, "c0")
        for candidate in cohort:
            alive = candidate != "c0" and candidate not in self.history.pruned
            if alive and unfit_rows(self.history, candidate) - hopeless:
                self._emit(events.CandidatePruned(candidate=candidate, reason="does not fit the context"))

    def _forecast_once(self) -> None:
        made = first_forecast(self.history, self.task)
        if made is not None:
            self._emit(events.ForecastMade(forecast=made))
            check_enough(made, self.task)

    def _gain(self, step: Step) -> float:
        """How far the step's candidates raised the best fully evaluated dev mean."""
        mine = set(step.proposed or ())
        before = self.history.best_of(c for c in self.history.candidates if c not in mine)
        now = self.history.best()
        if before is None or now is None:
            return 0.0
        return max(0.0, self.history.mean(now.id) - self.history.mean(before.id))

    def first_failure(self) -> str:
        """Why the seed prompt's first failed row failed, for a message; may be empty."""
        for evaluation in self.history.evaluations("c0").values():
            if evaluation.failure is not None:
                return f"The first failure was {evaluation.failure.kind}: {evaluation.failure.message}"
        return ""

    def _emit(self, event: events.Event) -> None:
        record = self.store.append(event)
        self.history.apply(record)
        self.observer(self.history, record)


def unfit_rows(history: History, candidate: str) -> set[str]:
    """Dev rows on which a candidate's prompt was too long for the model's context."""
    done = history.evaluations(candidate)
    return {row for row, e in done.items() if e.failure is not None and e.failure.kind == "context"}
