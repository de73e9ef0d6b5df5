"""Every acquisition function chooses different prompts, repeatably, and rather the promising ones."""

from statistics import NormalDist, fmean

import numpy as np
import pytest
import torch

from apo import plugins
from apo.acquisitions.knowledge_gradient import expected_maximum
from apo.belief import quiet
from apo.prompt import Prompt
from apo.surrogates import Fitted
from apo.surrogates.gaussian_process import GaussianProcess
from tests.helpers import letters

ACQUISITIONS = plugins.names("acquisitions")
SEEN = ["aaaa", "aaab", "bbbb", "bbbc", "cccc", "ccca", "bbcc", "aabb"]
POOL = ["aaaa!", "bbbb!", "cccc!", "aaaab", "ccccb", "bcbc", "aaac", "cabc"]


def learned() -> Fitted:
    """A surrogate that has seen that every a helps."""
    means = np.array([0.2 + 0.15 * text.count("a") for text in SEEN])
    with quiet():
        return GaussianProcess().fit([Prompt(t) for t in SEEN], means, means * (1 - means) / 50, letters)


def chosen(name: str, count: int, seed: int = 0) -> list[str]:
    """What is chosen of the pool."""
    fitted = learned()
    with quiet():
        torch.manual_seed(seed)
        pool = fitted.locate([Prompt(text) for text in POOL])
        places = plugins.build("acquisitions", name).choose(fitted.model, fitted.seen, pool, count)
    return [POOL[place] for place in places]


@pytest.mark.parametrize("name", ACQUISITIONS)
@pytest.mark.parametrize("count", [1, 3, 8, 20])
def test_batch(name: str, count: int) -> None:
    """As many as were asked for, or all, each once."""
    found = chosen(name, count)

    assert min(count, len(POOL)) == len(found) == len(set(found))


@pytest.mark.parametrize("name", ACQUISITIONS)
def test_repeatable(name: str) -> None:
    """The same generator gives the same choice."""
    assert chosen(name, 4, seed=3) == chosen(name, 4, seed=3)


@pytest.mark.parametrize("name", ACQUISITIONS)
def test_promising_first(name: str) -> None:
    """Texts with many a are chosen rather than others."""
    firsts = [chosen(name, 2, seed=n) for n in range(5)]

    assert fmean(text.count("a") for batch in firsts for text in batch) > fmean(t.count("a") for t in POOL)


@pytest.mark.parametrize("name", ACQUISITIONS)
def test_equal_points(name: str) -> None:
    """A pool whose points are all the same is dealt with like any other."""
    fitted = learned()
    pool = fitted.locate([Prompt("aabb")] * 3)
    with quiet():
        places = plugins.build("acquisitions", name).choose(fitted.model, fitted.seen, pool, 2)

    assert 2 == len(set(places) & {0, 1, 2})


def test_expected_maximum() -> None:
    """Against the closed form of two prompts: a + s (phi(u) + u Phi(u)) for u = (b - a) / s."""
    mean, moves = torch.tensor([0.5, 0.4], dtype=torch.double), torch.tensor([[0.0], [0.2]]).double()
    normal, u = NormalDist(), -0.5
    gain = 0.2 * (normal.pdf(u) + u * normal.cdf(u))

    assert gain == pytest.approx(float(expected_maximum(mean, moves)[0]) - 0.5, rel=0.05)


def test_expected_improvement() -> None:
    """The worked numbers of Frazier 2018 and Ament et al. 2023, through what BoTorch computes."""
    from botorch.acquisition.analytic import _log_ei_helper, _scaled_improvement

    delta, sigma = torch.tensor(0.1).double(), torch.tensor(0.2).double()
    log = _log_ei_helper(_scaled_improvement(delta, sigma, torch.tensor(0.0).double(), True)) + sigma.log()

    assert float(log) == pytest.approx(-1.969265, abs=1e-6)
    assert float(log.exp()) == pytest.approx(0.139559, abs=1e-6)
    assert float(_log_ei_helper(torch.tensor(-5.0).double())) == pytest.approx(-16.744301, abs=1e-6)
