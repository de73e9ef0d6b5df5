"""The neural bandit against what it must beat, and how fast it scores.

An arm is a prompt, a pull one block of 20 rows of it, and there are 165 pulls: 15 random ones, then ten
batches of 15. Arms may be pulled again while they have blocks left (five). Regret is how far the true score
of the arm that is chosen in the end is below the best arm's, in points. Who has a belief chooses the arm that
it believes in most, `uniform` the highest measured mean, drawn to the crowd's by two rows. `best arm` spends
the last 30 pulls on the eight arms that it believes in most. As `instinct` does, the bandit explores nothing
in the last fifth (nu is 0 there), unless it is said to explore to the end. The plain GP is InstructZero's but
for its kernel over soft prompts; the other one is apo's `gaussian_process`, which knows the parts of a prompt
and how many rows a score comes from. Where nothing else is said nu is 3: deviations are about right here, and
with nu 1 four of five arms are never tried.

Synthetic: the true scores of 400 real sentences follow a random network over their embeddings; those of 400
instructions for one task, put together from parts, lie in bumps around a few of them; rows are drawn. Replay:
pools of 120 prompts that were measured once (see replay.md); true scores are those of all 200 rows, blocks
are of the 100 dev rows.

Finished games are kept, so a script that was stopped goes on:

    python -m tests.benchmarks.bandit DATA_DIR [SEEDS]
"""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from random import Random
from resource import RUSAGE_SELF, getrusage
from statistics import fmean, stdev

import msgspec
import numpy as np

from apo.belief import quiet
from apo.embedding import Embed, SentenceEmbedder
from apo.proposers._bandit import Bandit, Played, Strategy, learn, pick
from apo.proposers.instinct import Instinct
from apo.surrogates import Fitted
from apo.surrogates.neural_ucb import NeuralUcb
from tests.benchmarks.arms import Game, Made, worlds
from tests.benchmarks.page import public_data, publish
from tests.benchmarks.plain_gp import PlainGp

OUTPUT = Path("results/benchmarks/bandit.md")
KEPT = Path("results/benchmarks/bandit.json")
"""What was measured already; without the file all is measured again."""
Found = dict[str, dict[str, list[float]]]
"""The regrets in each world by policy and seed."""
SEEDS, PULLS, FIRST, BATCH = 30, 165, 15, 15
FEWER = 5
"""Seeds of the bandit's other settings, and of what is no rival of its."""
FINALISTS, FINISH = 8, 30
"""Arms that are told apart at the end, and pulls for it."""
ENDING = Instinct().finish


BANDIT = "neural"
"""The policy that the others are compared with."""
PLAIN = "plain"
"""The surrogate `PlainGp`."""


@dataclass(frozen=True)
class Entry:
    """A policy."""

    name: str
    strategy: Strategy
    surrogate: str = "neural_ucb"
    nu: float = 3.0
    best_arm: bool = False
    finish: float = 0.0
    """Share of the pulls, the last ones, in which nothing is explored."""
    seeds: int = SEEDS


ENTRIES = (
    Entry("uniform", "uniform"),
    Entry("GP, expected improvement", "gp"),
    Entry("plain GP, expected improvement", "gp", PLAIN),
    Entry(BANDIT, "neural", finish=ENDING),
    Entry("neural, exploring to the end", "neural"),
    Entry("neural, Thompson", "thompson", seeds=FEWER),
    Entry("neural, Thompson, best arm", "thompson", best_arm=True, seeds=FEWER),
    Entry("neural, nu 1", "neural", nu=1.0, seeds=FEWER),
    Entry("neural, Thompson, network alone", "thompson", "neural_ucb:residual=false", seeds=FEWER),
    Entry("neural, the paper's setting", "neural", "neural_ucb:paper=true", nu=1.0, seeds=FEWER),
    Entry("local ascent", "local", seeds=FEWER),
)


def play(entry: Entry, game: Game) -> float:
    """The regret after PULLS pulls."""
    for arm in game.rng.sample(range(len(game.arms.prompts)), FIRST):
        game.pull(arm)
    for left in range(PULLS - FIRST, FINISH if entry.best_arm else 0, -BATCH):
        _, played = game.played()
        learned = learnt(entry, played, game.embed)
        nu = 0.0 if left < entry.finish * PULLS else entry.nu
        bandit = Bandit(entry.strategy, learned, played, nu, game.rng.getrandbits(32))
        there = game.open()
        for place in pick(bandit, [game.arms.prompts[arm] for arm in there], BATCH):
            game.pull(there[place])
    if entry.best_arm:
        finish(entry, game)
    return game.regret(believed(entry, game)[0])


def learnt(entry: Entry, played: Played, embed: Embed) -> Fitted | None:
    """What a policy believes."""
    if entry.surrogate != PLAIN:
        return learn(entry.strategy, entry.surrogate, played, embed)
    with quiet():
        return PlainGp().fit(played.prompts, played.means, played.variances, embed)


def finish(entry: Entry, game: Game) -> None:
    """The last pulls go to those that are believed in."""
    left = FINISH
    while left and (likely := [arm for arm in believed(entry, game)[:FINALISTS] if arm in game.open()]):
        for arm in likely[:left]:
            game.pull(arm)
        left -= len(likely[:left])


def believed(entry: Entry, game: Game) -> list[int]:
    """Pulled arms, the highest believed mean first, or without a belief the highest measured one."""
    some, played = game.played()
    learned = learnt(entry, played, game.embed)
    with quiet():
        means = played.means if learned is None else learned.of(played.prompts).mean
    return [some[place] for place in np.argsort(-means, kind="stable")]


def columns(those: Iterable[Sequence[float]]) -> Iterator[list[float]]:
    """Each world's regrets, and their means over the worlds."""
    for regrets in zip(*([*one, fmean(one)] for one in those), strict=True):
        yield list(regrets)


def cell(regrets: Sequence[float]) -> str:
    """Mean and standard error."""
    return f"{fmean(regrets):.1f} ± {stdev(regrets) / len(regrets) ** 0.5:.1f}"


def more(those: Mapping[str, Sequence[float]], bandit: Mapping[str, Sequence[float]]) -> str:
    """How much more a policy regrets than the bandit, seed by seed, in the mean over the worlds."""
    apart = [fmean(those[seed]) - fmean(bandit[seed]) for seed in those if seed in bandit]
    return f"{fmean(apart):+.1f} ± {stdev(apart) / len(apart) ** 0.5:.1f}" if len(apart) > 1 else ""


def speed() -> list[str]:
    """Fitting and scoring at the paper's size, on at most two threads."""
    import torch

    rng = np.random.default_rng(0)
    seen, arms = rng.normal(size=(PULLS, 576)), torch.from_numpy(rng.normal(size=(10_000, 576)))
    lines = []
    with quiet():
        NeuralUcb().learn(seen[:9], np.linspace(0, 1, 9), np.full(9, 0.01))  # loads what it needs
    for name, options in (("full", {}), ("diagonal", {"design": "diagonal"})):
        begun = time.perf_counter()
        with quiet():
            model = NeuralUcb(**options).learn(seen, rng.uniform(size=PULLS), np.full(PULLS, 0.01))  # type: ignore[arg-type]
        fitted = time.perf_counter()
        model.scores(arms)
        scored = time.perf_counter()
        memory = getrusage(RUSAGE_SELF).ru_maxrss >> 10
        cells = [f"{end - start:.2f} s" for start, end in pairwise((begun, fitted, scored))]
        lines.append(f"| {name} | {' | '.join(cells)} | {scored - begun:.2f} s | {memory} MiB |")
    return lines


def page(there: Sequence[str], found: Found, fast: Sequence[str]) -> str:
    """The page."""
    about = (__doc__ or "").split("Finished games")[0].strip()
    rows = [
        f"| {name} | {len(those)} | {' | '.join(cell(regrets) for regrets in columns(those.values()))} | "
        f"{'' if name == BANDIT else more(those, found.get(BANDIT, {}))} |"
        for name in (entry.name for entry in ENTRIES)
        if len(those := found[name]) > 1
    ]
    text = [
        "# The neural bandit\n",
        f"{about}\n",
        f"| regret after {PULLS} pulls | seeds | {' | '.join(there)} | mean | more than {BANDIT}, by seed |",
        "| --- |" + " ---: |" * (3 + len(there)),
        *rows,
        "\nOne layer of 100, 165 scores, 10,000 arms of 576 dimensions. To reach: scoring in 2 s and 2 GB",
        "of memory, all in 3 s.\n",
        "| design matrix | fitting | scoring 10,000 arms | together | most memory of the process so far |",
        "| --- | ---: | ---: | ---: | ---: |",
        *fast,
        "",
    ]
    return "\n".join(text)


@dataclass(frozen=True)
class Turn:
    """One policy's games with one seed, in all worlds."""

    entry: Entry
    seed: int
    data: Path

    def regrets(self) -> list[float]:
        """World by world."""
        embed, there = _prepared(self.data)
        games = (Game(made(self.seed), Random(self.seed), embed) for _, made in there)  # all begin alike
        return [play(self.entry, game) for game in games]


@cache
def _prepared(data: Path) -> tuple[Embed, list[tuple[str, Made]]]:
    """The encoder and the worlds; once in each process."""
    import torch

    torch.set_num_threads(1)
    embed = SentenceEmbedder()
    return embed, list(worlds(data, embed))


def main() -> None:
    """Measure what was not yet, a policy and seed on each core; the page is written anew after each."""
    data = public_data()
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else SEEDS
    kept = msgspec.json.decode(KEPT.read_bytes(), type=Found) if KEPT.is_file() else {}
    fast, there = speed(), [name for name, _ in _prepared(data)[1]]
    turns = [Turn(entry, seed, data) for seed in range(seeds) for entry in ENTRIES if seed < entry.seeds]
    turns = [turn for turn in turns if str(turn.seed) not in kept.setdefault(turn.entry.name, {})]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for turn, regrets in zip(turns, pool.map(Turn.regrets, turns), strict=True):
            kept[turn.entry.name][str(turn.seed)] = [round(regret, 2) for regret in regrets]
            print(turn.seed, turn.entry.name, kept[turn.entry.name][str(turn.seed)], flush=True)
            KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(kept)))
            OUTPUT.write_text(page(there, kept, fast), encoding="utf-8")
    publish(OUTPUT, page(there, kept, fast))


if __name__ == "__main__":
    main()
