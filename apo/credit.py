"""What each component has earned per call: the measure by which alternations and reports compare them."""

from apo.history import History
from apo.step import Step

PRIOR_GAIN = 0.05
"""What an untried component is believed to gain by the calls of one candidate on all dev rows:
optimistic, so that each gets its try. In dev rows and not in calls, so that it weighs the same
whatever the size of the split."""
DECAY = 0.5
"""Weight of a component's turn against its next one: gains dry up, so old ones say less."""


def credit(history: History, component: str) -> float:
    """Gain per call that a component has earned, recent turns weighing more, shrunk to the prior.

    Gains are of the best dev mean, in [0, 1]. A component with other options (`opro:shown=3`) is another.
    """
    gain, calls = PRIOR_GAIN, float(len(history.dev))
    turns = [s for s in history.steps if s.component == component and s.finished]
    for age, step in enumerate(reversed(turns)):
        gain += DECAY**age * step.gain
        calls += DECAY**age * step.calls
    return gain / calls


def gain(history: History, step: Step) -> float:
    """How far a step's candidates raised the best fully evaluated dev mean."""
    now, mine = history.best(), set(step.cohort)
    if now is None or now.id not in mine:
        return 0.0
    before = history.best_of(c for c in history.candidates if c not in mine)
    return 0.0 if before is None else max(0.0, history.mean(now.id) - history.mean(before.id))
