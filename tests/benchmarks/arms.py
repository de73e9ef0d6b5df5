"""Arms for bandits: prompts whose true scores are known, and games on them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec
import numpy as np
from numpy.typing import NDArray

from apo.belief import summed
from apo.embedding import Embed
from apo.prompt import Prompt
from apo.proposers._bandit import Played
from tests.benchmarks import replay
from tests.benchmarks.matrix import Matrix

Floats = NDArray[np.float64]
ROWS, BLOCKS = 20, 5
"""A pull's rows, and how often an arm can be pulled."""
NEAR = 0.1
"""Share of the pairs of points that count as near."""
OPENINGS = (
    "Say",
    "Decide",
    "Tell me",
    "Find out",
    "Read the text with care and say",
    "You are an expert. Judge",
    "Think step by step, then state",
    "Answer in one word",
)
QUESTIONS = (
    "whether the review is positive or negative",
    "if the writer liked what they describe",
    "what feeling the sentence expresses",
    "the sentiment of the input",
    "which label fits the text, good or bad",
)
ENDINGS = (
    ".",
    ", and nothing else.",
    ". Mind the irony.",
    ". Do not explain.",
    ". Write only the label in lower case.",
    ". If it is mixed, take the stronger feeling.",
    ". The answer is one of two words.",
    ". Look at the last sentence above all.",
    ". Ignore names and dates.",
    ". Much depends on it for me.",
)


@dataclass(frozen=True)
class Arms:
    """Prompts with their true scores, and what each answered on each block of rows."""

    prompts: list[Prompt]
    truth: Floats
    """Shape (arms)."""
    scores: Floats
    """Shape (arms, BLOCKS * ROWS): right or wrong."""


@dataclass
class Game:
    """One policy on some arms."""

    arms: Arms
    rng: Random
    embed: Embed
    seen: dict[int, int] = field(default_factory=dict)
    """Blocks that an arm was pulled on."""

    def pull(self, arm: int) -> None:
        """Pay for one more block."""
        self.seen[arm] = self.seen.get(arm, 0) + 1

    def open(self) -> list[int]:
        """Arms with blocks left."""
        return [arm for arm in range(len(self.arms.prompts)) if self.seen.get(arm, 0) < BLOCKS]

    def played(self) -> tuple[list[int], Played]:
        """What was pulled, as the bandit sees it: as apo sums up candidates that met other rows."""
        some = sorted(self.seen)
        met = {arm: self.arms.scores[arm, : ROWS * self.seen[arm]] for arm in some}
        # By names whose order is that of the arms, which is how the summary is ordered.
        summary = summed(
            {f"{arm:03}": {str(row): score for row, score in enumerate(one)} for arm, one in met.items()}
        )
        return some, Played([self.arms.prompts[arm] for arm in some], summary.means, summary.variances)

    def regret(self, arm: int) -> float:
        """Of choosing it in the end, in points."""
        return 100 * float(self.arms.truth.max() - self.arms.truth[arm])


def sentences(folder: Path) -> list[str]:
    """400 inputs of the tasks that come with apo, each once."""
    texts = []
    for file in sorted(folder.glob("*.jsonl")):
        rows = [msgspec.json.decode(line) for line in file.read_bytes().splitlines()]
        texts += [str(row["input"])[:200] for row in rows]
    return Random("bandit").sample(sorted(set(texts)), 400)


def instructions() -> list[str]:
    """400 ways to ask the same, as close to one another as proposals are."""
    return [f"{a} {b}{c}" for a in OPENINGS for b in QUESTIONS for c in ENDINGS]


def network(points: Floats, rng: np.random.Generator) -> Floats:
    """Scores of a random network with eight inner units, from .05 to .95."""
    inner = np.tanh(4 * points @ rng.normal(size=(points.shape[1], 8)))
    return scaled(inner @ rng.normal(size=8))


def bumps(points: Floats, rng: np.random.Generator) -> Floats:
    """Scores that are high near four points; half of a bump's height is left at NEAR of all distances."""
    away = 2 - 2 * points @ points.T
    width = np.log(2) / np.quantile(away[np.triu_indices(len(points), 1)], NEAR)
    places = rng.choice(len(points), 4, replace=False)
    heights = np.array([1.0, 0.8, 0.7, 0.6])
    return scaled((heights * np.exp(-width * away[:, places])).max(axis=1))


def scaled(raw: Floats) -> Floats:
    """From .05 to .95."""
    return np.asarray(0.05 + 0.9 * (raw - raw.min()) / np.ptp(raw))


Made = Callable[[int], Arms]


def synthetic(texts: list[str], embed: Embed, truth: Callable[[Floats, np.random.Generator], Floats]) -> Made:
    """Arms by seed."""

    def made(seed: int) -> Arms:
        rng = np.random.default_rng(seed)
        true = truth(embed(texts), rng)
        drawn = rng.uniform(size=(len(texts), BLOCKS * ROWS)) < true[:, None]
        return Arms([Prompt(text) for text in texts], true, drawn.astype(float))

    return made


def replayed(matrix: Matrix, prompts: dict[str, Prompt]) -> Made:
    """Arms by seed, which deals the rows."""
    scores = np.array([[float(digit) for digit in matrix.outcomes[name]] for name in matrix.names])

    def made(seed: int) -> Arms:
        dealt = np.random.default_rng(seed).permutation(len(matrix.dev))[: BLOCKS * ROWS]
        return Arms([prompts[name] for name in matrix.names], scores.mean(axis=1), scores[:, dealt])

    return made


def worlds(data: Path, embed: Embed) -> Iterator[tuple[str, Made]]:
    """What is played on."""
    yield "network", synthetic(sentences(Path("tasks/data")), embed, network)
    yield "bumps", synthetic(instructions(), embed, bumps)
    for matrix, prompts in replay.pools(data):
        yield matrix.task.rpartition("/")[2], replayed(matrix, prompts)
