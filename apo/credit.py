"""What each component has earned per call: the measure by which alternations and reports compare them."""

from apo.history import History

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
