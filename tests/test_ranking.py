"""The order of candidates and the best of them, kept while a run goes on, against looking at all anew."""

from hypothesis import given
from hypothesis import strategies as st

from apo import events
from apo.candidate import Candidate
from apo.credit import gain
from apo.events import Event
from apo.history import History
from apo.prompt import Prompt
from apo.store.memory import MemoryStore
from tests.helpers import evaluation, proposed, started, toy_spec, toy_task

TASK = toy_task(6)
CANDIDATES = tuple(Candidate(f"c{n}", Prompt("Name the colour." + "!" * (n % 3))) for n in range(4))
ASKED = st.tuples(
    st.integers(0, len(CANDIDATES) - 1), st.integers(0, len(TASK.dev) - 1), st.sampled_from([1.0, 0.0, None])
)
DROPPED = st.integers(0, len(CANDIDATES) - 1).map(
    lambda n: events.CandidatePruned(candidate=f"c{n}", reason="no")
)
ROWS = st.lists(ASKED, min_size=1, max_size=24).map(
    lambda rows: events.EvaluationsFinished(
        evaluations=tuple(evaluation(f"c{c}", TASK.dev[row].id, value) for c, row, value in rows)
    )
)


@given(st.lists(ROWS | DROPPED, max_size=12), st.integers(1, len(CANDIDATES)))
def test_order(facts: list[Event], looks: int) -> None:
    """Asked after every few events, order, best candidate and gain are those of a history made anew."""
    first = proposed(*CANDIDATES[:2])
    second = proposed(*CANDIDATES[2:], step=1)
    store = MemoryStore()
    history = History()
    for number, fact in enumerate((started(TASK, toy_spec()), *first, *second, *facts)):
        history.apply(store.append(fact))
        if history.steps and number % looks == 0:
            history.best(), list(history.ranked())

    scored = [c for c in history.candidates.values() if history.scores(c.id)]
    scored.sort(key=lambda c: (not history.is_full(c.id), history.preference(c)))
    others = history.best_of(c.id for c in CANDIDATES[:2])
    best = history.best_of(history.candidates)
    rise = history.mean(best.id) - history.mean(others.id) if best and others else 0.0

    assert scored == list(history.ranked())
    assert best == history.best() == History(store.read()).best()
    assert max(0.0, rise) == gain(history, history.steps[1])


def test_tried() -> None:
    """What was tried grows with the candidates."""
    history, store = History(), MemoryStore()
    for fact in (started(TASK, toy_spec()), *proposed(CANDIDATES[0])):
        history.apply(store.append(fact))
    before = set(history.tried.digests)
    for fact in proposed(*CANDIDATES[1:], step=1):
        history.apply(store.append(fact))

    assert {CANDIDATES[0].prompt.digest} == before
    assert {c.prompt.digest for c in CANDIDATES} == history.tried.digests
    assert {c.prompt.instruction for c in CANDIDATES} == history.tried.instructions
