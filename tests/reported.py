"""Runs for the tests of reports: one of worked numbers, one of texts that try to be something else."""

from dataclasses import replace

from apo import events
from apo.budget import Spend
from apo.candidate import Candidate, Prediction
from apo.events import Event, Record
from apo.prompt import Exemplar, Prompt
from apo.statistics import Interval
from apo.store.memory import MemoryStore
from apo.task import as_exemplars
from tests.helpers import evaluation, started, toy_spec, toy_task

TASK = toy_task()
BALLS = tuple(as_exemplars(TASK.train))
SEED = Candidate("c0", TASK.seed)
SHOWN = Candidate("c1", replace(TASK.seed, exemplars=BALLS[:2]), ("c0",), "uniform", "exemplars")
TOLD = Candidate("c2", Prompt("Name it.", BALLS[:2]), ("c1",), "opro", "instruction")
BETTER = Candidate("c3", Prompt("Say the colour.", BALLS[:2]), ("c1",), "opro", "instruction")
OTHER = Candidate("c4", Prompt("Say the colour.", BALLS[2:4]), ("c3",), "mutation", "exemplars")
HOSTILE = (
    "</title></style><script>alert(1)</script><img src=x onerror=alert(1)> \"quoted\" 'too' &amp; "
    "{{ 7 * 7 }} {% raw %} $x_1^2$ \\frac http://evil.example/a.png"
    "\x1b[31m nul\x00 bell\x07 \u202eevil\u202c ]]> --> 漢字 | `x`"
)


def met(candidate: str, right: int, rows: int = 20, first: int = 0) -> events.EvaluationsFinished:
    """Rows `first` to `rows` of dev, those before `right` answered rightly."""
    done = [evaluation(candidate, row.id, float(n < right)) for n, row in enumerate(TASK.dev[:rows])]
    return events.EvaluationsFinished(evaluations=tuple(done[first:]))


def recorded(*facts: Event) -> tuple[Record, ...]:
    """Events as a journal has them."""
    store = MemoryStore(clock=lambda: 1_700_000_000.0)
    for fact in facts:
        store.append(fact)
    return tuple(store.records)


def worked(*more: Event) -> tuple[Record, ...]:
    """Seed .40; random exemplars raise it to .50, an instruction to .70; one candidate each is dropped."""
    discarded = (events.Discard("duplicate", "x"), events.Discard("empty", ""))
    return recorded(
        started(TASK, toy_spec()),
        events.StepStarted(step=0, side=None, component="seed"),
        events.CandidatesProposed(step=0, candidates=(SEED,)),
        met("c0", 8),
        events.StepFinished(step=0, gain=0.0, calls=20),
        events.StepStarted(step=1, side="exemplars", component="uniform:size=2"),
        events.CandidatesProposed(step=1, candidates=(SHOWN,)),
        met("c1", 10),
        events.StepFinished(step=1, gain=0.1, calls=20),
        events.StepStarted(step=2, side="instruction", component="opro"),
        events.CandidatesProposed(
            step=2,
            candidates=(TOLD, BETTER),
            discarded=discarded,
            spend=Spend(3, 30, 30),
            predictions={"c2": Prediction(0.4, 0.05), "c3": Prediction(0.6, 0.05)},
            screened=True,
        ),
        met("c2", 2, rows=10),
        met("c3", 14, rows=10),
        events.CandidatePruned(candidate="c2", reason="not among the best 1 on 10 rows"),
        events.CandidatesPromoted(rows={"c3": 20}),
        met("c3", 14, first=10),
        events.StepFinished(step=2, gain=0.2, calls=33),
        events.StepStarted(step=3, side="exemplars", component="mutation"),
        events.CandidatesProposed(step=3, candidates=(OTHER,)),
        met("c4", 3, rows=5),
        events.CandidatePruned(candidate="c4", reason="worse than c3 on 5 rows (bets made 45)"),
        events.StepFinished(step=3, gain=0.0, calls=5),
        *more,
    )


def sealed() -> tuple[Record, ...]:
    """The same to its end: on the sealed test the seed has 6 of 20 rows, the winner 12, one in exchange."""
    seed = [evaluation("c0", row.id, float(n < 6)) for n, row in enumerate(TASK.test)]
    ours = [evaluation("c3", row.id, float(0 < n < 13)) for n, row in enumerate(TASK.test)]
    return worked(
        events.EvaluationsFinished(evaluations=(*seed, *ours), sealed=True),
        events.TestScored(
            candidate="c3",
            score=Interval(0.6, 0.4, 0.8, 20),
            seed=Interval(0.3, 0.1, 0.5, 20),
            difference=Interval(0.3, 0.05, 0.55, 20),
            better=7,
            worse=1,
            p_value=0.07,
        ),
        events.RunFinished(reason="budget spent", best="c3"),
    )


def hostile() -> tuple[Record, ...]:
    """A run whose every text of models and data tries to be something else, or has no end."""
    rows = tuple(replace(row, input=f"{HOSTILE} {row.id}", target=HOSTILE) for row in TASK.dev)
    begun = started(replace(TASK, dev=rows, name=f"toy {HOSTILE}", description=HOSTILE), toy_spec())
    prompt = Prompt(HOSTILE, (Exemplar(HOSTILE, "x" * 200_000), Exemplar(HOSTILE, HOSTILE, HOSTILE)))
    seed = Candidate("c0", Prompt(HOSTILE * 2_000), origin=HOSTILE)
    more = [Candidate(f"c{n}", replace(prompt, instruction=f"{n}"), ("c0",), HOSTILE) for n in (1, 2, 3)]
    done = [
        evaluation(c, row.id, float(c != "c0"), output=HOSTILE * 500)
        for c in ("c0", "c1", "c2", "c3")
        for row in rows
    ]
    return recorded(
        begun,
        events.StepStarted(step=0, side=None, component=HOSTILE),
        events.CandidatesProposed(
            step=0,
            candidates=(seed, *more),
            discarded=(events.Discard(HOSTILE, HOSTILE),),
            problem=HOSTILE,
            predictions={"c1": Prediction(0.5, 0.1)},
        ),
        events.EvaluationsFinished(evaluations=tuple(done)),
        events.CandidatePruned(candidate="c2", reason=HOSTILE),
        events.StepFinished(step=0, gain=0.5, calls=80),
        events.ProblemReported(message=HOSTILE * 100),
    )
