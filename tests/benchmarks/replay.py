"""Search policies compared on pools of prompts that were measured once, many seeds each.

A seed deals the rows into dev and test and the prompts in another order: with one split for all seeds a
policy could be lucky in all of them. Normalized test error is how far the chosen prompt's test score is
below the pool's best, as a share of the distance from best to worst (as in HbBoPs). No policy gets to 0:
what is best on all dev rows, which is what each looks for, is the first line. Splits are the same for all
policies, so each is also compared with the default, seed by seed: how much more it errs, in brackets.

    python -m tests.benchmarks.replay [DATA_DIR]

With a folder of public data the policies that read prompts take part too.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from apo import plugins
from apo.embedding import SentenceEmbedder
from apo.prompt import Prompt
from apo.statistics import Interval, wilson
from tests.benchmarks import policies
from tests.benchmarks.matrix import FOLDER, Matrix, load, read_file
from tests.benchmarks.policies import Policy, Pool

SEEDS = 300
"""With 30, and even with 100, chance decided who was ahead."""
DEFAULT = "the default: sides in turns (learned), racing"
FEW = 5
"""Seeds of a policy that takes long."""
FULL = 25
"""Full evaluations of the whole budget."""
SHARES = (0.25, 0.5, 1.0)
MOST = 0.2
"""Of the full evaluation of a pool, what racing and hyperband may spend."""
OUTPUT = Path("results/benchmarks/replay.md")


@dataclass(frozen=True)
class Outcome:
    """What a policy came to with one seed."""

    error: float
    """Normalized test error, in [0, 1]."""
    dev: float
    """How far the chosen prompt's dev score is below the pool's best."""
    test: float
    """How far its test score is below that of the prompt that is best on dev; may be negative."""
    calls: float
    """Share of the pool's full evaluation."""
    held: bool | None
    """Whether the interval of the corrected dev score held the test score, as if that were the truth."""
    agreed: bool | None
    """Whether corrected dev and test score differ by no more than both intervals allow together."""


def play(matrix: Matrix, prompts: dict[str, Prompt], policy: Policy, budget: int, seed: int) -> Outcome:
    """One policy on one pool with one seed."""
    pool = Pool(matrix, seed, budget, prompts)
    choice = policy(pool)
    dev = {name: pool.score(name, pool.order) for name in pool.names}
    test = {name: pool.score(name, pool.sealed) for name in pool.names}
    best = max(dev, key=lambda name: (dev[name], test[name]))
    spread = max(test.values()) - min(test.values())
    theirs = wilson(test[choice.name] * len(pool.sealed), len(pool.sealed))
    interval = choice.corrected
    held = None if interval is None else interval.low <= theirs.mean <= interval.high
    agreed = None if interval is None else _agree(interval, theirs)
    return Outcome(
        error=(max(test.values()) - test[choice.name]) / spread,
        dev=dev[best] - dev[choice.name],
        test=test[best] - test[choice.name],
        calls=(budget - pool.left) / (len(pool.order) * len(dev)),
        held=held,
        agreed=agreed,
    )


def _agree(dev: Interval, test: Interval) -> bool:
    """Whether the interval of the difference of two means holds 0 (Newcombe 1998, method 10)."""
    low, high = sorted((dev, test), key=lambda one: one.mean)
    return high.mean - low.mean <= math.hypot(high.mean - high.low, low.high - low.mean)


Outcomes = dict[tuple[str, int], Outcome]
"""By task and seed."""
Measured = dict[float, Outcomes]
"""By share of FULL full evaluations."""


@dataclass(frozen=True)
class Entry:
    """A policy under its name in the table."""

    name: str
    policy: Policy
    budgets: tuple[float, ...] = SHARES
    """Shares of FULL full evaluations."""
    seeds: int = SEEDS


def scheduler(name: str) -> Policy:
    """A scheduler of ours, believing nothing, on the whole pool."""
    return policies.whole(plugins.build("schedulers", name))


def entries(reading: bool) -> list[Entry]:
    """Who is compared; `reading` says whether the texts of the prompts are at hand."""
    halving, racing = (plugins.build("schedulers", n) for n in ("successive_halving", "racing"))
    thompson, learned = plugins.build("schedulers", "thompson"), plugins.build("alternations", "learned")
    found = [
        Entry("best on dev, all rows of all prompts paid for", policies.best_on_dev, (1.0,)),
        Entry("random search", policies.random_search),
        Entry("TPE over indices, as MIPROv2", policies.tpe),
        Entry("UCB, as ProTeGi", policies.ucb),
        Entry("TRIPLE-SH", policies.triple_sh),
        Entry("successive_halving, cohorts of 16", policies.cohorts(halving)),
        Entry("racing, cohorts of 32", policies.cohorts(racing, 32), (*SHARES, MOST)),
        Entry(f"**{DEFAULT}**", policies.alternating(learned, racing), (*SHARES, MOST)),
        *(Entry(n, scheduler(n), (*SHARES, MOST)) for n in ("successive_halving", "hyperband", "racing")),
    ]
    average = policies.whole(thompson, plugins.build("surrogates", "average"))
    found.append(Entry(f"thompson, average, {FEW} seeds", average, seeds=FEW))
    if reading:
        process = plugins.build("surrogates", "gaussian_process")
        policy = policies.whole(thompson, process, SentenceEmbedder())
        found.append(Entry(f"thompson, gaussian_process, {FEW} seeds", policy, seeds=FEW))
    return found


def budget(share: float, matrix: Matrix) -> int:
    """Calls: a share of FULL full evaluations, or MOST of the pool's."""
    rows = len(matrix.dev)
    return int(MOST * rows * len(matrix.outcomes)) if share == MOST else int(share * FULL * rows)


def measure(entry: Entry, pools: Sequence[tuple[Matrix, dict[str, Prompt]]], share: float) -> Outcomes:
    """One policy on all pools with all seeds."""
    return {
        (matrix.task, seed): play(matrix, prompts, entry.policy, budget(share, matrix), seed)
        for matrix, prompts in pools
        for seed in range(entry.seeds)
    }


def each(entry: Entry, pools: Sequence[tuple[Matrix, dict[str, Prompt]]]) -> Measured:
    """One policy with all its budgets."""
    return {share: measure(entry, pools, share) for share in entry.budgets}


def pools(data: Path | None) -> list[tuple[Matrix, dict[str, Prompt]]]:
    """The complete matrices with their prompts; without data these are only told apart."""
    found = []
    for file in sorted(FOLDER.glob("*.json")):
        matrix = read_file(file)
        if len(matrix.outcomes) < len(matrix.names):
            continue
        if data is None:
            prompts = {name: Prompt(name) for name in matrix.names}
        else:
            task = load(matrix.task, data)
            prompts = {name: matrix.prompt(name, task) for name in matrix.names}
        found.append((matrix, prompts))
    return found


def cell(outcomes: Outcomes, default: Outcomes) -> str:
    """Mean normalized error, and what it is above the default's on the same splits, with standard errors."""
    errors = [outcome.error for outcome in outcomes.values()]
    more = [outcome.error - default[split].error for split, outcome in outcomes.items()]
    told = f"{fmean(errors):.3f} ± {_off(errors):.3f}"
    return f"{told} ({fmean(more):+.3f} ± {_off(more):.3f})" if any(more) else told


def _off(values: Sequence[float]) -> float:
    """The standard error of a mean."""
    return stdev(values) / math.sqrt(len(values))


def row(entry: Entry, measured: Measured, default: Measured) -> str:
    """A policy's line of the table."""
    cells = [cell(measured[share], default[share]) if share in measured else "" for share in SHARES]
    fifth = list(measured.get(MOST, {}).values())
    if fifth:
        dev, test = (100 * fmean(getattr(o, what) for o in fifth) for what in ("dev", "test"))
        cells += [f"{dev:.1f}", f"{test:+.1f}", f"{100 * fmean(o.calls for o in fifth):.0f} %"]
    else:
        cells += ["", "", ""]
    ours = [o for outcomes in measured.values() for o in outcomes.values() if o.held is not None]
    for what in ("held", "agreed"):
        cells.append(f"{100 * fmean(getattr(o, what) for o in ours):.0f} %" if ours else "")
    return " | ".join(["", entry.name, *cells, ""]).strip()


def page(pools: Sequence[tuple[Matrix, dict[str, Prompt]]], lines: Sequence[str]) -> str:
    """The page."""
    title, _, about = (__doc__ or "").partition("\n\n")
    tasks = ", ".join(matrix.task for matrix, _ in pools)
    shares = " | ".join(f"{share:.0%} of {FULL} full evaluations" for share in SHARES)
    head = f"| policy | {shares} | dev below best | test below that of best-on-dev | calls | held | agreed |"
    return "\n".join(
        [
            "# Replay",
            "",
            title,
            "",
            about.split("    python")[0].strip(),
            "",
            f"Pools of {len(pools[0][0].names)} prompts on {tasks}; {SEEDS} seeds each. The columns after "
            f"the three budgets are for at most {MOST:.0%} of the pool's full evaluation, in points and as a "
            "share of it. The last two are of all runs: how often the interval of the corrected dev score "
            "held the score on the test rows, and how often the two differed by no more than the intervals "
            "of both allow together, since 100 test rows are a sample too.",
            "",
            head,
            "| --- |" + " ---: |" * (len(SHARES) + 5),
            *lines,
            "",
        ]
    )


def main() -> None:
    """Compare all policies, print, and write the table after each."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    known = pools(data)
    lines = []
    listed = entries(data is not None)
    ours = next(entry for entry in listed if DEFAULT in entry.name)
    default = each(ours, known)
    for entry in listed:
        line = row(entry, default if entry is ours else each(entry, known), default)
        print(line, flush=True)
        lines.append(line)
        OUTPUT.write_text(page(known, lines), encoding="utf-8")


if __name__ == "__main__":
    main()
