"""A search as its turns alone: who played, what it gained, what it took."""

from collections.abc import Callable, Sequence

from apo import events
from apo.alternations import Alternation, Move
from apo.budget import Spend
from apo.candidate import Candidate, Side
from apo.history import History
from apo.spec import RunSpec
from apo.store.memory import MemoryStore
from tests.helpers import evaluation, started, toy_spec, toy_task

Turn = tuple[Side | None, str, float, int]
"""Side, component, gain and calls of a step that is over."""
SEED: Turn = (None, "seed", 0.0, 20)
TASK = toy_task()
"""It has 20 dev rows and 20 test rows."""
Play = Callable[[Move], tuple[float, int]]
"""What a move gains and what it takes."""


def history_after(spec: RunSpec, turns: Sequence[Turn]) -> History:
    """A run whose steps so far are these; the step `seed` evaluates the seed, the others only take calls."""
    store = MemoryStore()
    store.append(started(TASK, spec))
    for number, (side, component, gain, calls) in enumerate(turns):
        store.append(events.StepStarted(step=number, side=side, component=component))
        if component == "seed":
            done = tuple(evaluation("c0", row.id, 0.0) for row in TASK.dev)
            store.append(events.CandidatesProposed(step=number, candidates=(Candidate("c0", TASK.seed),)))
            store.append(events.EvaluationsFinished(evaluations=done))
        else:
            store.append(events.CandidatesProposed(step=number, candidates=(), spend=Spend(calls)))
        store.append(events.StepFinished(step=number, gain=gain, calls=calls))
    return History(store.read())


def moved(alternation: Alternation, spec: RunSpec, turns: Sequence[Turn]) -> tuple[Side | None, str]:
    """Side and component of the next move."""
    move = alternation.next_move(history_after(spec, turns))
    assert move is not None
    return move.side, move.component


def simulate(alternation: Alternation, play: Play, steps: int, spec: RunSpec | None = None) -> list[Turn]:
    """The turns after the seed, `steps` at most: fewer where there is nothing left to try."""
    turns = [SEED]
    for _ in range(steps):
        move = alternation.next_move(history_after(spec or toy_spec(), turns))
        if move is None:
            break
        turns.append((move.side, move.component, *play(move)))
    return turns[1:]


def gaining(gains: dict[str, float], calls: int = 100) -> Play:
    """Each component always gains the same, those not named nothing, and every turn takes the same calls."""
    return lambda move: (gains.get(move.component, 0.0), calls)


def calls_of(turns: Sequence[Turn], side: Side) -> int:
    """What the turns of a side took together."""
    return sum(turn[3] for turn in turns if turn[0] == side)
