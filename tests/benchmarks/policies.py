"""Search policies on a pool whose outcomes are known: which prompt do they choose for so many calls?"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from apo import events
from apo.alternations import Alternation, Move, turn
from apo.belief import Belief, belief
from apo.candidate import Candidate, Side
from apo.credit import gain
from apo.embedding import Embed
from apo.history import History
from apo.prompt import Prompt
from apo.proposing import allowed
from apo.schedulers import Scheduler
from apo.seeding import rng
from apo.selection import corrected
from apo.statistics import Interval
from apo.store.memory import MemoryStore
from apo.surrogates import Surrogate
from apo.task import Example, Score, Task
from tests.benchmarks.matrix import Matrix
from tests.helpers import carried_out, ignorant, letters, started, toy_spec

Policy = Callable[["Pool"], "Choice"]
"""Spends a pool's budget and names the prompt that it would use."""


@dataclass(frozen=True)
class Choice:
    """What a policy would use."""

    name: str
    corrected: Interval | None = None
    """Of its dev score, where the policy is a search of ours."""


@dataclass
class Pool:
    """A matrix whose rows are dealt anew into dev and test, with a budget of calls."""

    matrix: Matrix
    seed: int
    budget: int
    prompts: dict[str, Prompt]
    """By name; placeholders where the data are not at hand."""
    met: dict[str, int] = field(default_factory=dict)
    """How many of the first rows each prompt has met."""
    others: int = 0
    """Calls on rows that are no prefix."""

    def __post_init__(self) -> None:
        """Deal the rows."""
        self.draws = rng(self.seed, 0, "replay")
        rows = list(range(len(self.matrix.dev) + len(self.matrix.test)))
        self.draws.shuffle(rows)
        self.order, self.sealed = rows[: len(self.matrix.dev)], rows[len(self.matrix.dev) :]
        self.names = list(self.matrix.outcomes)
        self.draws.shuffle(self.names)

    @property
    def left(self) -> int:
        """Calls that are left."""
        return self.budget - sum(self.met.values()) - self.others

    def answer(self, name: str, row: int) -> int:
        """What a prompt scores on a row, by its place in the pool's order."""
        return int(self.matrix.outcomes[name][self.order[row]])

    def score(self, name: str, rows: Sequence[int]) -> float:
        """A prompt's mean over such rows of the matrix."""
        return sum(self.matrix.outcomes[name][row] == "1" for row in rows) / len(rows)

    def pull(self, name: str, rows: int) -> None:
        """Let a prompt meet its next rows, as far as there are any, and as far as the budget reaches."""
        met = self.met.get(name, 0)
        self.met[name] = met + max(0, min(rows, len(self.order) - met, self.left))

    def mean(self, name: str) -> float:
        """Mean score on the rows met."""
        met = self.met.get(name, 0)
        return sum(self.answer(name, row) for row in range(met)) / met if met else 0.0

    def best(self, names: Iterable[str]) -> str:
        """The one with the highest mean; ties are broken by chance."""
        return max(names, key=lambda name: (self.mean(name), self.draws.random()))


def best_on_dev(pool: Pool) -> Choice:
    """What everybody looks for, without asking what it costs."""
    return Choice(max(pool.names, key=lambda name: pool.score(name, pool.order)))


def random_search(pool: Pool) -> Choice:
    """Prompts drawn at random meet all rows; the best mean wins."""
    rows = len(pool.order)
    tried = pool.names[: max(1, pool.budget // rows)]
    for name in tried:
        pool.pull(name, rows)
    return Choice(pool.best(tried))


def triple_sh(pool: Pool) -> Choice:
    """TRIPLE-SH (Shi et al. 2024, Algorithm 1): halving over the whole pool, an equal share for each phase.

    As published it may overspend a little; here the budget ends it. Its choice need not have met all rows.
    """
    alive, phases = list(pool.names), math.ceil(math.log2(len(pool.names)))
    for _ in range(phases):
        for name in alive:
            pool.pull(name, math.ceil(pool.budget / (len(alive) * phases)))
        alive.sort(key=lambda name: (-pool.mean(name), pool.draws.random()))
        del alive[math.ceil(len(alive) / 2) :]
    return Choice(alive[0])


def upper_bound(mean: float, total: int, rows: int, c: float = 2.0) -> float:
    """The bound that ProTeGi's bandit goes by, after `total` calls of which `rows` were this prompt's."""
    return mean + c * math.sqrt(math.log(total) / rows)


def ucb(pool: Pool, batch: int = 5) -> Choice:
    """The bandit of ProTeGi (Pryzant et al. 2023) with its c of 2; the next rows go to the highest bound."""
    for name in pool.names:
        pool.pull(name, 1)
    while pool.left and (open_ := [n for n in pool.met if 0 < pool.met[n] < len(pool.order)]):
        total = pool.budget - pool.left
        pool.pull(max(open_, key=lambda n: upper_bound(pool.mean(n), total, pool.met[n])), batch)
    return Choice(pool.best(name for name, rows in pool.met.items() if rows))


def tpe(pool: Pool, batch: int = 35, every: int = 5) -> Choice:
    """The search of MIPROv2 (Opsahl-Ong et al. 2024): multivariate TPE over two indices by `optuna`.

    Trials score a minibatch of random rows; after every fifth the prompt with the best mean of its trials
    that did not meet all rows does, and the best of those wins.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=pool.seed, multivariate=True)
    )
    rows, scores, trials = len(pool.order), dict[str, list[float]](), 0
    while pool.left >= rows + batch:
        trial = study.ask()
        instruction = trial.suggest_categorical("instruction", range(len(pool.matrix.instructions)))
        exemplars = trial.suggest_categorical("exemplars", range(len(pool.matrix.exemplars)))
        name = f"{instruction}-{exemplars}"
        drawn = pool.draws.sample(range(rows), batch)
        score = sum(pool.answer(name, row) for row in drawn) / batch
        pool.others += batch
        study.tell(trial, score)
        scores.setdefault(name, []).append(score)
        trials += 1
        if trials % every == 0 or pool.left < rows + batch:
            new = [name for name in scores if name not in pool.met]
            if new:
                pool.pull(max(new, key=lambda name: sum(scores[name]) / len(scores[name])), rows)
    return Choice(pool.best(pool.met))


def cohorts(scheduler: Scheduler, width: int = 16) -> Policy:
    """A scheduler on cohorts drawn at random, one after the other, each with a run's share of the budget."""

    def policy(pool: Pool) -> Choice:
        race, rows = Race(pool), len(pool.order)
        while pool.left >= rows and race.fresh:
            allowance = allowed(Move("exemplars", "pool", width), pool.left, rows)
            race.run(scheduler, race.fresh[:width], allowance)
        return race.choice()

    return policy


def whole(scheduler: Scheduler, surrogate: Surrogate | None = None, embed: Embed = letters) -> Policy:
    """A scheduler on the whole pool as one cohort; `embed` is what the surrogate reads with."""

    def policy(pool: Pool) -> Choice:
        race = Race(pool, surrogate, embed)
        race.run(scheduler, race.fresh, pool.left)
        return race.choice()

    return policy


def alternating(alternation: Alternation, scheduler: Scheduler) -> Policy:
    """A search as `apo run` does it: instructions and exemplars in turns, as the alternation says.

    A turn's candidates are those prompts of the pool that differ from the best one in the side that is
    moved. A pool has few lists: once all are tried with an instruction, others are drawn with any.
    """

    def policy(pool: Pool) -> Choice:
        race, rows = Race(pool), len(pool.order)
        while pool.left >= rows and race.fresh and (move := turn(alternation, race.history)):
            side = move.side or "exemplars"
            names, allowance = race.beside(side)[: move.width], allowed(move, pool.left, rows)
            race.run(scheduler, names, allowance, side, move.component)
        return race.choice()

    return policy


@dataclass
class Race:
    """Schedulers at work on a pool, through a history as in a run."""

    pool: Pool
    surrogate: Surrogate | None = None
    embed: Embed = letters
    tried: dict[str, str] = field(default_factory=dict)
    """The pool's names by candidate."""

    def __post_init__(self) -> None:
        """Begin a run without candidates."""
        pool = self.pool
        self.rows = tuple(Example(f"r{place}", f"input {place}", "1") for place in range(len(pool.order)))
        seed = Prompt("Replay.")
        task = Task(
            "replay", "", seed, lambda output, example: Score(0), self.rows[:1], self.rows, self.rows[:1]
        )
        self.store = MemoryStore()
        self.store.append(started(task, toy_spec(seed=pool.seed, layouts=False)))
        self.history = History(self.store.read())

    @property
    def belief(self) -> Belief:
        """What is believed now."""
        return belief(self.history, self.surrogate, self.embed) if self.surrogate else ignorant

    @property
    def fresh(self) -> list[str]:
        """Prompts that were not tried yet, in the pool's order."""
        tried = set(self.tried.values())
        return [name for name in self.pool.names if name not in tried]

    def beside(self, side: Side) -> list[str]:
        """Those of them that differ from the best prompt in one side, or of lists just any.

        A run begins with a seed; here its instruction is that of the pool's first prompt.
        """
        best = self.history.best()
        around = self.pool.names[0] if best is None else self.tried[best.id]
        kept = 0 if side == "exemplars" else 1
        found = [name for name in self.fresh if name.split("-")[kept] == around.split("-")[kept]]
        return found or (self.fresh if side == "exemplars" else [])

    def tell(self, event: events.Event) -> None:
        """Write an event and fold it in."""
        self.history.apply(self.store.append(event))

    def run(
        self,
        scheduler: Scheduler,
        names: Sequence[str],
        allowance: int,
        side: Side = "exemplars",
        component: str = "pool",
    ) -> None:
        """One cohort of prompts that were not tried yet, to its end."""
        step, spent = len(self.history.steps), 0
        cohort = {f"c{len(self.tried) + n}": name for n, name in enumerate(names)}
        self.tried |= cohort
        self.tell(events.StepStarted(step=step, side=side, component=component, width=len(names)))
        candidates = [Candidate(c, self.pool.prompts[name]) for c, name in cohort.items()]
        self.tell(events.CandidatesProposed(step=step, candidates=tuple(candidates)))
        while True:
            plan = scheduler.plan([*cohort], self.history, allowance - spent, self.belief)
            for fact in carried_out(plan, self._asked):
                self.tell(fact)
            if not plan.assignments:
                break
            spent += len(plan.assignments)
        gained = gain(self.history, self.history.steps[-1])
        self.tell(events.StepFinished(step=step, gain=gained, calls=spent))

    def _asked(self, candidate: str, row: str) -> float:
        """A row's score, paid for."""
        name = self.tried[candidate]
        self.pool.met[name] = self.pool.met.get(name, 0) + 1
        return float(self.pool.answer(name, int(row[1:])))

    def choice(self) -> Choice:
        """The best complete prompt, or without any the one that leads."""
        history = self.history
        leading = history.leading()
        if leading is None:
            return Choice(self.pool.names[0])
        scores = {c: history.scores(c) for c in history.candidates}
        return Choice(self.tried[leading.id], corrected(scores, leading.id))
