"""Candidates under search, what one evaluation of a candidate gave, and what it used."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from apo.budget import Spend
from apo.prompt import Prompt
from apo.task import Score

Side = Literal["instruction", "exemplars", "layout"]
"""The three sides of a prompt; the search moves one at a time."""
SIDES: tuple[Side, ...] = ("layout", "exemplars", "instruction")

FailureKind = Literal[
    "timeout",
    "connection",
    "server",
    "rate_limit",
    "authentication",
    "context",
    "request",
    "model",
    "refusal",
]
"""`request`: the server does not take it; `model`: another model than the one asked answered."""


class Failure(msgspec.Struct, frozen=True, gc=False):
    """Why a request got no answer. It is never scored as a wrong answer."""

    kind: FailureKind
    message: str


class Usage(msgspec.Struct, frozen=True, gc=False):
    """What one completion used."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    """From sending the request to its answer."""
    cached: bool = False
    """Answered from the cache, without asking the server."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A prompt that a component suggests, before it is checked and becomes a candidate."""

    prompt: Prompt
    parents: tuple[str, ...] = ()
    note: str = ""
    """What led here, for people: a criticism, the history that was shown."""
    cut_off: bool = False
    """The model that wrote it was stopped by its token limit."""
    arm: str = ""
    """Which of a bandit's arms it is, in the proposer's own words; empty where there is no bandit."""
    expected: "Prediction | None" = None
    """What its proposer believes of it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prompt under search, with where it came from."""

    id: str
    """`c31`: its running number in the journal; `c0` is the seed."""
    prompt: Prompt
    parents: tuple[str, ...] = ()
    origin: str = "seed"
    """The component that proposed it, `seed` or `human`."""
    side: Side | None = None
    """Which side of the prompt was moved; None for the seed."""
    note: str = ""
    arm: str = ""
    """Which of a bandit's arms it is, so that the bandit finds it again."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a surrogate expected of a candidate before any row was asked."""

    mean: float
    """Of the true score, in [0, 1] up to the model's own slips."""
    deviation: float
    """Standard deviation of that belief, at least 0."""


class Evaluation(msgspec.Struct, frozen=True, gc=False):
    """One candidate on one example."""

    candidate: str
    example: str
    output: str
    score: Score | None
    """None exactly when `failure` is set."""
    usage: Usage
    failure: Failure | None = None
    cut_off: bool = False
    """The output was stopped by the token limit."""


def scored(evaluations: Mapping[str, Evaluation]) -> dict[str, float]:
    """Score values by example id; rows without an answer are missing."""
    return {row: e.score.value for row, e in evaluations.items() if e.score is not None}


def cost(evaluations: Iterable[Evaluation]) -> Spend:
    """What they used together."""
    calls = prompt = completion = cached = 0
    for one in evaluations:
        usage = one.usage
        calls += 1
        prompt += usage.prompt_tokens
        completion += usage.completion_tokens
        cached += usage.cached
    return Spend(calls, prompt, completion, cached)


def prompt_length(candidate: Candidate) -> int:
    """Most characters of instruction and exemplars that an input is shown."""
    prompt = candidate.prompt
    return len(prompt.instruction) + sum(len(e.input) + len(e.output) for e in prompt.longest)
