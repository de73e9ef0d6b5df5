"""Honest numbers: how far the winner's dev score is off, as it stands and corrected for having been picked.

Prompts of known quality get scores by chance, the one with the best mean wins, and its mean on the dev
rows is compared with its true quality, over many runs: bias is the mean of score minus truth, coverage
the share of runs whose 95 % interval holds the truth, width the mean length of that interval. `plain`
is `mean_interval`, `corrected` is `selection.corrected`. With halving, prompts were dropped by the rungs
of SuccessiveHalving and have scores on their first rows only; the winner was picked on them too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist, fmean

import numpy as np

from apo.schedulers.successive_halving import SuccessiveHalving
from apo.selection import corrected
from apo.statistics import Interval, mean_interval
from tests.benchmarks.page import publish

RUNS = 200
OFF = 0.02
"""A bias beyond it is named below the table."""
OUTPUT = Path("results/benchmarks/honesty.md")

Scores = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Prompts whose quality is known."""

    name: str
    quality: tuple[float, ...]
    """True mean scores, in (0, 1)."""
    rows: int
    hardness: float = 0.0
    """Share (0 to 1) of the chance in a score that belongs to the row and is the same for all prompts."""
    parts: int = 1
    """A score is the mean of so many right/wrong answers: 1 for right/wrong, more for graded scores."""
    cohorts: int = 0
    """How many cohorts successive halving dealt with one after the other; 0 if all met all rows."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One kind of interval in many runs."""

    bias: float
    coverage: float
    width: float


def draw(scenario: Scenario, rng: np.random.Generator) -> tuple[Scores, str, float]:
    """One run: all scores that were paid for, the id of the winner, and its true quality."""
    quality = rng.permutation(np.asarray(scenario.quality))
    table = _table(scenario, quality, rng)
    upto = _met(table, scenario.cohorts)
    full = [c for c, rows in enumerate(upto) if rows == scenario.rows]
    winner = max(full, key=lambda c: float(table[c].mean()))
    scores = {
        f"c{c}": {f"r{row}": float(v) for row, v in enumerate(table[c, :rows])} for c, rows in enumerate(upto)
    }
    return scores, f"c{winner}", float(quality[winner])


def _table(scenario: Scenario, quality: "np.ndarray", rng: np.random.Generator) -> "np.ndarray":
    """Scores of shape (prompts, rows): a prompt is right where row's and own chance together allow it."""
    k, n = len(quality), scenario.rows
    bar = np.asarray([NormalDist().inv_cdf(q) for q in quality])
    row = rng.standard_normal((1, n, 1)) * scenario.hardness**0.5
    own = rng.standard_normal((k, n, scenario.parts)) * (1 - scenario.hardness) ** 0.5
    return np.asarray((row + own < bar[:, None, None]).mean(axis=2))


def _met(table: "np.ndarray", cohorts: int) -> list[int]:
    """How many of the first rows each prompt met."""
    k, n = table.shape
    if not cohorts:
        return [n] * k
    upto = [0] * k
    halving = SuccessiveHalving()
    for cohort in np.array_split(np.arange(k), cohorts):
        alive = [int(c) for c in cohort]
        before = 0
        for rung, rows in enumerate(halving.rungs(len(cohort), n)):
            keep = -(-len(cohort) // halving.eta**rung)
            alive.sort(key=lambda c: -table[c, :before].sum())
            del alive[keep:]
            for c in alive:
                upto[c] = rows
            before = rows
    return upto


def measure(scenario: Scenario, runs: int = RUNS) -> tuple[Outcome, Outcome]:
    """The plain interval and the corrected one, over so many runs."""
    rng = np.random.default_rng(0)
    truths, plain, ours = [], [], []
    for _ in range(runs):
        scores, winner, truth = draw(scenario, rng)
        truths.append(truth)
        plain.append(mean_interval(list(scores[winner].values())))
        ours.append(corrected(scores, winner))
    return _outcome(plain, truths), _outcome(ours, truths)


def _outcome(intervals: Sequence[Interval], truths: Sequence[float]) -> Outcome:
    pairs = list(zip(intervals, truths, strict=True))
    return Outcome(
        fmean(i.mean - truth for i, truth in pairs),
        fmean(i.low <= truth <= i.high for i, truth in pairs),
        fmean(i.high - i.low for i in intervals),
    )


def spread(low: float, high: float, count: int) -> tuple[float, ...]:
    """Qualities in equal steps."""
    return tuple(float(q) for q in np.linspace(low, high, count))


def scenarios() -> list[Scenario]:
    """What is measured."""
    equal, ladder = (0.7,) * 32, spread(0.6, 0.8, 32)
    two = (0.1,) * 16 + (0.8,) * 16
    found = [Scenario(f"{k} equal at .70, 50 rows", (0.7,) * k, 50) for k in (1, 2, 5, 32, 100)]
    found += [Scenario(f"32 equal at .70, {n} rows", equal, n) for n in (20, 100, 200)]
    found += [Scenario(f"32 equal at .{100 * q:.0f}, 50 rows", (q,) * 32, 50) for q in (0.1, 0.5, 0.9)]
    for n in (20, 50, 200):
        found.append(Scenario(f"16 at .10 and 16 at .80, {n} rows", two, n))
        found.append(Scenario(f"32 from .60 to .80, {n} rows", ladder, n))
        found.append(Scenario(f"one at .85, 31 at .60, {n} rows", (0.85, *(0.6,) * 31), n))
    found += [Scenario(f"one at .80, 31 at .70, {n} rows", (0.8, *(0.7,) * 31), n) for n in (50, 100, 200)]
    found.append(Scenario("five at .85, 27 at .70, 50 rows", (0.85,) * 5 + (0.7,) * 27, 50))
    found.append(Scenario("one at .80, one at .70, 50 rows", (0.8, 0.7), 50))
    for name, quality in (("32 equal at .70", equal), ("32 from .60 to .80", ladder)):
        found.append(Scenario(f"{name}, 50 rows, graded", quality, 50, parts=4))
        for hardness in (0.5, 0.8):
            share = f"{hardness:.0%} of chance the rows'"
            found.append(Scenario(f"{name}, 50 rows, {share}", quality, 50, hardness))
            found.append(Scenario(f"{name}, 50 rows, {share}, graded", quality, 50, hardness, parts=4))
    return found + halved()


def halved() -> list[Scenario]:
    """Those in which successive halving dropped prompts early."""
    sets = {
        "32 equal at .70": (0.7,) * 32,
        "32 from .60 to .80": spread(0.6, 0.8, 32),
        "16 at .10 and 16 at .80": (0.1,) * 16 + (0.8,) * 16,
        "one at .80, 31 at .70": (0.8, *(0.7,) * 31),
    }
    found = []
    for name, quality in sets.items():
        for rows, cohorts, hardness in ((50, 1, 0.0), (50, 1, 0.5), (200, 1, 0.0), (200, 4, 0.5)):
            rest = f", {hardness:.0%} of chance the rows'" if hardness else ""
            label = f"halving, {cohorts} cohort{'s' * (cohorts > 1)}: {name}, {rows} rows{rest}"
            found.append(Scenario(label, quality, rows, hardness, cohorts=cohorts))
    return found


def main() -> None:
    """Measure, print, and write the table."""
    text = _page([(s.name, *measure(s)) for s in scenarios()])
    publish(OUTPUT, text)


def _page(measured: Sequence[tuple[str, Outcome, Outcome]]) -> str:
    title, _, about = (__doc__ or "").partition("\n\n")
    lines = ["# Honest numbers", "", title.partition(": ")[2].strip().capitalize(), "", about.strip(), ""]
    lines += [f"{RUNS} runs a line, in points (hundredths) and per cent.", ""]
    lines += ["| prompts | plain: bias | coverage | width | corrected: bias | coverage | width |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for name, *both in measured:
        cells = [f"{100 * o.bias:+.1f} | {100 * o.coverage:.0f} | {100 * o.width:.0f}" for o in both]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_where_off(measured), ""])


def _where_off(measured: Iterable[tuple[str, Outcome, Outcome]]) -> list[str]:
    """What the table says against the correction."""
    rows = list(measured)
    off = sorted(((o.bias, name) for name, _, o in rows if abs(o.bias) > OFF), key=lambda one: -abs(one[0]))
    least = min(rows, key=lambda row: row[2].coverage)
    lines = [
        f"The corrected mean is off by more than {100 * OFF:.0f} points in {len(off)} of {len(rows)} lines:"
    ]
    lines += ["", *(f"- {100 * bias:+.1f} points: {name}" for bias, name in off), ""]
    lines += [f"Its lowest coverage is {100 * least[2].coverage:.0f} % ({least[0]})."]
    return lines


if __name__ == "__main__":
    main()
