"""What a winner is worth: its score without the luck of having been picked, and what there was to gain."""

from dataclasses import dataclass

from apo.history import History
from apo.selection import corrected
from apo.statistics import Interval, mean_interval

EXPECTED_GAIN = 0.1
"""The gain that people hope for when they do not say: a dev split that cannot see it is called small."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the three prompts of the headroom test: none, random or searched exemplars (Wan et al. 2024)."""

    name: str
    candidate: str
    dev: Interval
    sealed: Interval | None = None
    """On the sealed test, where that was scored."""


def headroom(history: History) -> tuple[Arm, ...]:
    """No exemplars, random exemplars, best so far: how much there is to gain, and from what."""
    best, tested = history.best(), history.tested
    plain = [c.id for c in history.candidates.values() if c.origin == "uniform"]
    arms = [("no exemplars (seed)", "c0"), *(("random exemplars", c) for c in plain[:1])]
    arms += [("best", best.id)] if best is not None else []
    sealed = {} if tested is None else {tested.candidate: tested.score, "c0": tested.seed}
    return tuple(
        Arm(name, c, mean_interval(list(history.scores(c).values())), sealed.get(c)) for name, c in arms
    )


def corrected_score(history: History, candidate: str) -> Interval:
    """A candidate's dev score without the luck of having been picked as the best of all that were tried."""
    return corrected({c: history.scores(c) for c in history.candidates}, candidate)
