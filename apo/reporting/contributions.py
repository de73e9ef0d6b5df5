"""What each component of the search brought and what it cost."""

from collections.abc import Iterable
from dataclasses import dataclass

from apo.candidate import Side
from apo.credit import credit
from apo.history import History
from apo.step import Step


@dataclass(frozen=True, slots=True)
class Contribution:
    """All turns of one component together."""

    component: str
    side: str
    """Which side of the prompt it moved; `seed` or `by hand` where none."""
    turns: int
    proposed: int
    """What it suggested: those that became candidates and those that were discarded."""
    made: int
    """Candidates."""
    kept: int
    """Of these, those that met every dev row."""
    dropped: int
    """Of these, those that were dropped by the scheduler or by a person."""
    raised: int
    """Turns that raised the best score."""
    gain: float
    """By how much, as a share."""
    calls: int
    """Completions of all roles."""
    writing: int
    """Of these, those that proposing took."""
    credit: float | None
    """Gain per call as the alternation counts it; None where it does not."""


@dataclass(frozen=True, slots=True)
class Rise:
    """A step that raised the best fully evaluated dev mean."""

    step: Step
    before: float
    after: float


def contributions(history: History) -> tuple[Contribution, ...]:
    """One for each component, in the order of their first turns."""
    turns: dict[str, list[Step]] = {}
    for step in history.steps:
        turns.setdefault(step.component, []).append(step)
    return tuple(_contribution(history, name, steps) for name, steps in turns.items())


def _contribution(history: History, component: str, steps: list[Step]) -> Contribution:
    made = [c for step in steps for c in step.proposed or ()]
    return Contribution(
        component=component,
        side=side_name(steps[0].side, steps[0].number == 0),
        turns=len(steps),
        proposed=len(made) + sum(step.discarded for step in steps),
        made=len(made),
        kept=sum(history.is_full(c) for c in made),
        dropped=sum(c in history.pruned for c in made),
        raised=sum(step.gain > 0 for step in steps),
        gain=sum(step.gain for step in steps),
        calls=sum(step.calls for step in steps),
        writing=sum(step.writing for step in steps),
        credit=credit(history, component) if steps[0].side is not None else None,
    )


def side_name(side: Side | None, seed: bool) -> str:
    """The side of the prompt that was moved, in words."""
    return side or ("seed" if seed else "by hand")


def by_side(parts: Iterable[Contribution]) -> dict[str, tuple[float, int]]:
    """Gain and calls of each side of the prompt, those that gained most first."""
    found: dict[str, tuple[float, int]] = {}
    for part in parts:
        gain, calls = found.get(part.side, (0.0, 0))
        found[part.side] = (gain + part.gain, calls + part.calls)
    return dict(sorted(found.items(), key=lambda item: -item[1][0]))


def rises(history: History) -> tuple[Rise, ...]:
    """The steps that raised the best score, from the seed's on; the seed's own rise is not one."""
    found = []
    first = history.steps[0].cohort if history.steps else ()
    at = max((history.mean(c) for c in first), default=0.0)
    for step in history.steps:
        if step.gain > 0:
            found.append(Rise(step, at, at + step.gain))
            at += step.gain
    return tuple(found)
