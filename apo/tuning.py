"""A short search for the engine settings that answer fastest, by Bayesian optimization on a grid.

What is varied is counted in doublings; the model is BoTorch's `SingleTaskGP` of the logarithm of the
requests per second, and the next trial is the one of the highest log noisy expected improvement (Ament et
al. 2023) among all that were not tried.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from apo.acquisitions.log_nei import LogNei
from apo.belief import quiet
from apo.errors import ServerError
from apo.seeding import rng
from apo.serving.command import EngineSettings
from apo.serving.usual import Usual

FIRST = 4
"""Trials before the model is asked: the default, and settings drawn by chance."""
GAIN = 1.05
"""Settings must beat the default by this factor to be remembered: less than that is mostly noise."""
Number = float | int


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting: its name in EngineSettings, what may be tried, and the default."""

    name: str
    choices: tuple[Number, ...]
    usual: Number


@dataclass(frozen=True, slots=True)
class Trial:
    """One measurement."""

    settings: EngineSettings
    rate: float | None
    """Requests per second; None: it did not start, or not all requests were answered."""
    problem: str = ""

    @property
    def default(self) -> bool:
        """Whether these were the default settings."""
        return self.settings == EngineSettings()


def knobs(gpu: bool, context: int, usual: Usual) -> tuple[Knob, ...]:
    """What can be set on a machine.

    Args:
        gpu: whether vLLM uses one.
        context: tokens of the longest prompt with its answer; on a CPU prompts are read whole, so that a step
            must hold one.
        usual: the default settings, which are among what may be tried.
    """
    if gpu:
        return (
            Knob("seqs", (64, 128, 256, 512, 1024), usual.seqs),
            Knob("tokens", (2048, 4096, 8192, 16384, 32768), usual.tokens),
            Knob("block", (16, 32, 64), usual.block),
            Knob("memory", (0.8, 0.85, 0.9, 0.95), usual.memory),
        )
    tokens = (usual.tokens // 2, usual.tokens, 2 * usual.tokens, 4 * usual.tokens)
    memory = (usual.memory / 2, usual.memory, 2 * usual.memory)
    return (
        Knob("seqs", (8, 16, 32, 64, 128, 256), usual.seqs),
        Knob("tokens", tuple(most for most in tokens if most >= context), usual.tokens),
        Knob("block", (32, 64, 128, 256), usual.block),
        Knob("memory", tuple(most for most in memory if most >= 1), usual.memory),
    )


def search(
    varied: Sequence[Knob],
    measure: Callable[[EngineSettings], float],
    trials: int,
    go_on: Callable[[], bool] = lambda: True,
) -> Iterator[Trial]:
    """Measure one setting after the other: the default first and late, so that noise can be seen.

    What seems fastest of many may only have been lucky, so if it beats the default it is measured again.

    Args:
        varied: what may be tried.
        measure: requests per second; raises ServerError if there is no such engine.
        trials: most measurements in all, at least 3: the default twice, and the fastest again.
        go_on: whether there is time for one more setting.

    Raises:
        ServerError: already the default settings cannot be measured.
    """
    done = [Trial(EngineSettings(), measure(EngineSettings()))]
    yield done[0]
    untried = [_settings(varied, values) for values in itertools.product(*(knob.choices for knob in varied))]
    untried = [one for one in untried if one != _settings(varied, [knob.usual for knob in varied])]
    while untried and len(done) < trials - 2 and go_on():
        chosen = _next(varied, done, untried)
        untried.remove(chosen)
        done.append(_measured(measure, chosen))
        yield done[-1]
    if len(done) > 1:
        done.append(_measured(measure, EngineSettings()))
        yield done[-1]
    fastest = _fastest(done)
    if fastest is not None:
        yield _measured(measure, fastest.settings)


def best(done: Sequence[Trial]) -> Trial | None:
    """The slower trial of the fastest settings, if they were measured twice and both beat the default."""
    fastest = _fastest(done)
    if fastest is None:
        return None
    twice = [(t.rate, t) for t in done if t.settings == fastest.settings and t.rate is not None]
    rate, slower = min(twice, key=lambda rated: rated[0])
    return slower if len(twice) > 1 and rate > _hurdle(done) else None


def _fastest(done: Sequence[Trial]) -> Trial | None:
    """The fastest trial, if it beats the default."""
    others = [(t.rate, t) for t in done if not t.default and t.rate is not None]
    rate, fastest = max(others, key=lambda rated: rated[0], default=(0.0, None))
    return fastest if rate > _hurdle(done) else None


def _hurdle(done: Sequence[Trial]) -> float:
    """Requests per second that beat the default: as far above its faster trial as that above the slower.

    Without such a distance, however fast noise makes a trial, a third of all second trials would beat both.
    """
    own = [trial.rate for trial in done if trial.default and trial.rate is not None]
    return max(own) * max(GAIN, max(own) / min(own)) if own else math.inf


def _measured(measure: Callable[[EngineSettings], float], settings: EngineSettings) -> Trial:
    try:
        return Trial(settings, measure(settings))
    except ServerError as error:
        return Trial(settings, None, str(error))


def _settings(varied: Sequence[Knob], values: Sequence[Number]) -> EngineSettings:
    return EngineSettings(**{knob.name: value for knob, value in zip(varied, values, strict=True)})  # type: ignore[arg-type]


def _next(varied: Sequence[Knob], done: Sequence[Trial], untried: list[EngineSettings]) -> EngineSettings:
    """What to measure now: by chance at first, then what promises most."""
    if len(done) < FIRST:
        return rng(0, len(done), "engine").choice(untried)
    with quiet():
        return untried[_most_promising(varied, done, untried)]


def _most_promising(varied: Sequence[Knob], done: Sequence[Trial], untried: list[EngineSettings]) -> int:
    """The place of what a Gaussian process, fitted to the trials, expects most improvement of."""
    import torch
    from botorch.models import SingleTaskGP

    from apo.surrogates._process import optimize

    seen = torch.tensor([_point(varied, trial.settings) for trial in done], dtype=torch.float64)
    pool = torch.tensor([_point(varied, settings) for settings in untried], dtype=torch.float64)
    slowest = min(trial.rate for trial in done if trial.rate)
    # What does not start counts as slow as the slowest: its neighbours are avoided, and none is forbidden.
    rates = torch.tensor([[math.log(trial.rate or slowest)] for trial in done], dtype=torch.float64)
    model = SingleTaskGP(seen, rates)
    optimize(model)
    return LogNei().choose(model, seen, pool, 1)[0]


def _point(varied: Sequence[Knob], settings: EngineSettings) -> list[float]:
    """Settings as a point of the unit cube, in doublings."""
    return [_place(knob, getattr(settings, knob.name)) for knob in varied]


def _place(knob: Knob, value: Number | None) -> float:
    low, high = math.log2(min(knob.choices)), math.log2(max(knob.choices))
    return 0.0 if low == high else (math.log2(knob.usual if value is None else value) - low) / (high - low)
