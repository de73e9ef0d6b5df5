"""What is believed of candidates' true scores: a surrogate fitted to all that was measured so far."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from apo.acquisitions import Acquisition
from apo.embedding import Embed
from apo.history import History
from apo.prompt import Prompt
from apo.selection import adjusted
from apo.surrogates import Fitted, Posterior, Surrogate

if TYPE_CHECKING:
    from apo.arrays import Floats

LEAST_MEASURED = 2
"""Candidates with scores that a surrogate is fitted to."""
UNKNOWN_MEAN, UNKNOWN_VARIANCE = 0.5, 0.08
"""Of a score of which nothing is known: about those of a uniform one."""


Belief = Callable[[Sequence[str]], Posterior]
"""From candidate ids, at least one, to what is believed of them."""


def fit(history: History, surrogate: Surrogate, embed: Embed) -> Fitted | None:
    """A surrogate fitted to all candidates with scores; None while there are too few."""
    known = measured(history)
    if len(known.candidates) < LEAST_MEASURED:
        return None
    prompts = [history.candidates[c].prompt for c in known.candidates]
    with quiet():
        return surrogate.fit(prompts, known.means, known.variances, embed)


@dataclass(frozen=True)
class Measured:
    """All candidates with scores, in the order of their ids."""

    candidates: list[str]
    means: "Floats"
    """As on rows of average difficulty, so that those who met only the first rows can be compared."""
    variances: "Floats"
    """Those of means of so many right or wrong answers."""


def measured(history: History) -> Measured:
    """What was measured so far."""
    import numpy as np

    found = {c.id: scores for c in history.candidates.values() if (scores := history.scores(c.id))}
    return summed(found) if found else Measured([], np.empty(0), np.empty(0))


def summed(found: Mapping[str, Mapping[str, float]]) -> Measured:
    """What scores by candidate and row say, of at least one candidate, each with at least one score."""
    import numpy as np

    shares, dispersion = adjusted(found)
    rows = np.array([len(scores) for scores in found.values()])
    means = np.array([shares[candidate] for candidate in found])
    crowd = float(np.average(means, weights=rows))
    smoothed = (means * rows + 2 * crowd) / (rows + 2)
    return Measured(list(found), means, np.maximum(dispersion * smoothed * (1 - smoothed) / rows, 1e-5))


def wanted(
    learned: Fitted, acquisition: Acquisition, prompts: Sequence[Prompt], count: int, rng: Random
) -> list[int]:
    """The places of the `count` prompts that an acquisition function chooses; none of none."""
    if not prompts:
        return []
    import torch

    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.getrandbits(32))
        return acquisition.choose(learned.model, learned.seen, learned.locate(prompts), count)


def belief(history: History, surrogate: Surrogate, embed: Embed) -> Belief:
    """The belief about candidates of a history as it is when it is asked."""

    def believe(candidates: Sequence[str]) -> Posterior:
        import numpy as np

        learned = fit(history, surrogate, embed)
        if learned is None:
            n = len(candidates)
            return Posterior(np.full(n, UNKNOWN_MEAN), UNKNOWN_VARIANCE * np.eye(n))
        with quiet():
            return learned.of([history.candidates[c].prompt for c in candidates])

    return believe


def quiet() -> warnings.catch_warnings:
    """Fits are checked by what they predict; their libraries' hints to programmers help nobody here."""
    return warnings.catch_warnings(action="ignore")
