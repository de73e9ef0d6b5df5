"""The neural bandit against what it must beat, and how fast it scores.

An arm is a prompt, a pull one block of 20 rows of it, and there are 165 pulls: 15 random ones, then ten
batches of 15. Arms may be pulled again while they have blocks left (five). Regret is how far the true score
of the arm that is chosen in the end is below the best arm's, in points; the arm with the highest measured
mean, drawn to the crowd's by two rows, is chosen. `neural, best arm` spends the last 30 pulls on the eight
arms that it believes most in, and chooses by its belief.

Synthetic: arms are 400 real sentences, embedded; their true scores follow a random network over the
embeddings, or lie in bumps around a few sentences; rows are drawn. Replay: pools of 120 prompts that were
measured once (see replay.md); true scores are those of all 200 rows, blocks are of the 100 dev rows.

    python -m tests.benchmarks.bandit DATA_DIR [SEEDS]
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from resource import RUSAGE_SELF, getrusage
from statistics import fmean, stdev

import msgspec
import numpy as np
from numpy.typing import NDArray

from apo.belief import quiet
from apo.embedding import Embed, SentenceEmbedder
from apo.prompt import Prompt
from apo.proposers._bandit import Bandit, Played, Strategy, learn, pick
from apo.surrogates.neural_ucb import NeuralUcb
from tests.benchmarks import replay
from tests.benchmarks.matrix import Matrix

Floats = NDArray[np.float64]
OUTPUT = Path("results/benchmarks/bandit.md")
SEEDS, PULLS, FIRST, BATCH, ROWS, BLOCKS = 30, 165, 15, 15, 20, 5
FINALISTS, FINISH = 8, 30
"""Arms that are told apart at the end, and pulls for it."""


@dataclass(frozen=True)
class Arms:
    """Prompts with their true scores, and what each answered on each block of rows."""

    prompts: list[Prompt]
    truth: Floats
    """Shape (arms)."""
    blocks: Floats
    """Shape (arms, BLOCKS): mean scores of ROWS rows each."""


@dataclass
class Game:
    """One policy on some arms."""

    arms: Arms
    rng: Random
    embed: Embed
    seen: dict[int, int] = field(default_factory=dict)
    """Blocks that an arm was pulled on."""

    def means(self, some: Sequence[int]) -> Floats:
        """Measured scores of pulled arms."""
        return np.array([self.arms.blocks[arm, : self.seen[arm]].mean() for arm in some])

    def pull(self, arm: int) -> None:
        """Pay for one more block."""
        self.seen[arm] = self.seen.get(arm, 0) + 1

    def open(self) -> list[int]:
        """Arms with blocks left."""
        return [arm for arm in range(len(self.arms.prompts)) if self.seen.get(arm, 0) < BLOCKS]

    def played(self) -> tuple[list[int], Played]:
        """What was pulled, as the bandit sees it."""
        some = sorted(self.seen)
        means, rows = self.means(some), ROWS * np.array([self.seen[arm] for arm in some])
        smoothed = (means * rows + 2 * float(np.average(means, weights=rows))) / (rows + 2)
        variances = np.maximum(smoothed * (1 - smoothed) / rows, 1e-5)
        return some, Played([self.arms.prompts[arm] for arm in some], smoothed, variances)

    def regret(self, arm: int) -> float:
        """Of choosing it in the end, in points."""
        return 100 * float(self.arms.truth.max() - self.arms.truth[arm])


@dataclass(frozen=True)
class Entry:
    """A policy."""

    name: str
    strategy: Strategy
    surrogate: str = "neural_ucb"
    best_arm: bool = False


ENTRIES = (
    Entry("uniform", "uniform"),
    Entry("GP, expected improvement", "gp"),
    Entry("local ascent", "local"),
    Entry("neural, Thompson", "thompson"),
    Entry("neural, the paper's setting", "neural", "neural_ucb:paper=true"),
    Entry("neural", "neural"),
    Entry("neural, best arm", "neural", best_arm=True),
)


def play(entry: Entry, game: Game) -> float:
    """The regret after PULLS pulls."""
    for arm in game.rng.sample(range(len(game.arms.prompts)), FIRST):
        game.pull(arm)
    for _ in range((PULLS - FIRST - (FINISH if entry.best_arm else 0)) // BATCH):
        _, played = game.played()
        learned = learn(entry.strategy, entry.surrogate, played, game.embed)
        bandit = Bandit(entry.strategy, learned, played, 1.0, game.rng.getrandbits(32))
        there = game.open()
        for place in pick(bandit, [game.arms.prompts[arm] for arm in there], BATCH):
            game.pull(there[place])
    if entry.best_arm:
        return game.regret(finish(entry, game))
    some, played = game.played()
    return game.regret(some[int(played.means.argmax())])


def finish(entry: Entry, game: Game) -> int:
    """The best arm after the last pulls went to those that are believed in."""
    left = FINISH
    while left and (likely := [arm for arm in believed(entry, game)[:FINALISTS] if arm in game.open()]):
        for arm in likely[:left]:
            game.pull(arm)
        left -= len(likely[:left])
    return believed(entry, game)[0]


def believed(entry: Entry, game: Game) -> list[int]:
    """Pulled arms, the highest believed mean first."""
    some, played = game.played()
    learned = learn(entry.strategy, entry.surrogate, played, game.embed)
    assert learned is not None
    with quiet():
        means = learned.of(played.prompts).mean
    return [some[place] for place in np.argsort(-means, kind="stable")]


def sentences(folder: Path) -> list[str]:
    """400 inputs of the tasks that come with apo, each once."""
    texts = []
    for file in sorted(folder.glob("*.jsonl")):
        rows = [msgspec.json.decode(line) for line in file.read_bytes().splitlines()]
        texts += [str(row["input"])[:200] for row in rows]
    return Random("bandit").sample(sorted(set(texts)), 400)


def network(points: Floats, rng: np.random.Generator) -> Floats:
    """Scores of a random network with eight inner units, from .05 to .95."""
    inner = np.tanh(4 * points @ rng.normal(size=(points.shape[1], 8)))
    return scaled(inner @ rng.normal(size=8))


def bumps(points: Floats, rng: np.random.Generator) -> Floats:
    """Scores that are high near a few sentences."""
    places = rng.choice(len(points), 4, replace=False)
    heights = np.array([1.0, 0.8, 0.7, 0.6])
    return scaled((heights * np.exp(-3 * (2 - 2 * points @ points[places].T))).max(axis=1))


def scaled(raw: Floats) -> Floats:
    """From .05 to .95."""
    return np.asarray(0.05 + 0.9 * (raw - raw.min()) / np.ptp(raw))


Made = Callable[[int], Arms]


def synthetic(texts: list[str], embed: Embed, truth: Callable[[Floats, np.random.Generator], Floats]) -> Made:
    """Arms by seed."""

    def made(seed: int) -> Arms:
        rng = np.random.default_rng(seed)
        true = truth(embed(texts), rng)
        blocks = rng.binomial(ROWS, true[:, None], (len(texts), BLOCKS)) / ROWS
        return Arms([Prompt(text) for text in texts], true, blocks)

    return made


def replayed(matrix: Matrix, prompts: dict[str, Prompt]) -> Made:
    """Arms by seed, which deals the rows."""
    scores = np.array([[float(digit) for digit in matrix.outcomes[name]] for name in matrix.names])

    def made(seed: int) -> Arms:
        dealt = np.random.default_rng(seed).permutation(len(matrix.dev))[: BLOCKS * ROWS]
        blocks = scores[:, dealt].reshape(len(scores), BLOCKS, ROWS).mean(axis=2)
        return Arms([prompts[name] for name in matrix.names], scores.mean(axis=1), blocks)

    return made


def worlds(data: Path, embed: Embed) -> Iterator[tuple[str, Made]]:
    """What is played on."""
    texts = sentences(Path("tasks/data"))
    yield "network", synthetic(texts, embed, network)
    yield "bumps", synthetic(texts, embed, bumps)
    for matrix, prompts in replay.pools(data):
        yield matrix.task.rpartition("/")[2], replayed(matrix, prompts)


def cell(regrets: Sequence[float]) -> str:
    """Mean and standard error."""
    return f"{fmean(regrets):.1f} ± {stdev(regrets) / len(regrets) ** 0.5:.1f}"


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


def page(there: Sequence[str], found: dict[str, list[list[float]]], fast: Sequence[str]) -> str:
    """The page; `found` has for each policy the regrets of each seed, one for each world."""
    about = (__doc__ or "").split("    python")[0].strip()
    seeds = len(next(iter(found.values())))
    rows = [
        f"| {name} | {' | '.join(cell(regrets) for regrets in zip(*those, strict=True))} |"
        for name, those in found.items()
    ]
    text = [
        "# The neural bandit\n",
        f"{about}\n",
        f"| regret after {PULLS} pulls, {seeds} seeds | {' | '.join(there)} |",
        "| --- |" + " ---: |" * len(there),
        *rows,
        "\nOne layer of 100, 165 scores, 10,000 arms of 576 dimensions. To reach: scoring in 2 s and 2 GB",
        "of memory, all in 3 s.\n",
        "| design matrix | fitting | scoring 10,000 arms | together | most memory of the process so far |",
        "| --- | ---: | ---: | ---: | ---: |",
        *fast,
        "",
    ]
    return "\n".join(text)


def main() -> None:
    """Measure, and write the page anew after each seed."""
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else SEEDS
    fast, embed = speed(), SentenceEmbedder()
    there = list(worlds(Path(sys.argv[1]), embed))
    found: dict[str, list[list[float]]] = {entry.name: [] for entry in ENTRIES}
    for seed in range(seeds):
        for entry in ENTRIES:
            games = [Game(made(seed), Random(f"{entry.name} {seed}"), embed) for _, made in there]
            found[entry.name].append([play(entry, game) for game in games])
            print(seed, entry.name, [round(regret, 1) for regret in found[entry.name][-1]], flush=True)
        if seed:
            OUTPUT.write_text(page([name for name, _ in there], found, fast), encoding="utf-8")


if __name__ == "__main__":
    main()
