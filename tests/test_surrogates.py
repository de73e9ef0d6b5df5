"""What surrogates learn, on prompts whose scores follow from their texts."""

from collections.abc import Sequence

import numpy as np
import pytest

from apo import plugins
from apo.belief import quiet
from apo.prompt import Exemplar, Prompt
from apo.surrogates import Fitted
from tests.helpers import letters

SURROGATES = plugins.names("surrogates")
TEXTS = ("aaaa", "aaab", "aabb", "abbb", "bbbb", "bbba", "bbcc", "cccc", "ccca", "caca")


def prompts() -> list[Prompt]:
    """Ten instructions times four exemplar lists."""
    lists = [tuple(Exemplar(text * n, text) for n in range(1, size + 1)) for size, text in enumerate("xyzw")]
    return [Prompt(text, shown) for text in TEXTS for shown in lists]


def truth(prompt: Prompt) -> float:
    """Better with every a in the instruction and every exemplar."""
    return 0.2 + 0.1 * prompt.instruction.count("a") + 0.08 * len(prompt.exemplars)


def fitted(name: str, known: Sequence[Prompt], rows: int = 100) -> Fitted:
    """A surrogate that has seen some prompts, each on so many rows."""
    means = np.array([truth(prompt) for prompt in known])
    with quiet():
        found: Fitted = plugins.build("surrogates", name).fit(
            known, means, means * (1 - means) / rows, letters
        )
    return found


@pytest.mark.parametrize("name", SURROGATES)
def test_posterior(name: str) -> None:
    """Beliefs are joint, finite, and as uncertain of what was not measured, or more."""
    everything = prompts()
    known, new = everything[::2], everything[1::2]
    with quiet():
        of_known, of_new = fitted(name, known).of(known), fitted(name, known).of(new)

    assert (len(new),) == of_new.mean.shape
    assert (len(new), len(new)) == of_new.covariance.shape
    assert np.isfinite(of_new.mean).all()
    assert (of_new.covariance.diagonal() > 0).all()
    assert of_new.covariance.diagonal().mean() > of_known.covariance.diagonal().mean()


@pytest.mark.parametrize("name", SURROGATES)
def test_more_rows_less_doubt(name: str) -> None:
    """What was measured on more rows is known better, and believed more."""
    known = prompts()[::2]
    best = int(np.argmax([truth(prompt) for prompt in known]))
    with quiet():
        few, many = (fitted(name, known, rows).of(known) for rows in (2, 400))

    assert many.covariance[best, best] < few.covariance[best, best]
    assert abs(many.mean[best] - truth(known[best])) < abs(few.mean[best] - truth(known[best])) + 1e-6


@pytest.mark.parametrize("name", SURROGATES)
def test_repeatable(name: str) -> None:
    """The same data give the same belief, in whatever order they come."""
    known, new = prompts()[::2], prompts()[1::2]
    with quiet():
        first, again, turned = (fitted(name, some).of(new).mean for some in (known, known, known[::-1]))

    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, turned, atol=0.005)


@pytest.mark.parametrize("name", [name for name in SURROGATES if name != "average"])
def test_reads(name: str) -> None:
    """What reads prompts predicts new ones in about their true order; the average cannot."""
    known, new = prompts()[::2], prompts()[1::2]
    with quiet():
        belief = fitted(name, known).of(new)
        crowd = fitted("average", known).of(new)

    assert np.corrcoef(belief.mean, [truth(prompt) for prompt in new])[0, 1] > 0.7
    assert np.ptp(crowd.mean) < 0.01


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("means", [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.0)])
def test_extreme_scores(name: str, means: tuple[float, ...]) -> None:
    """Scores that are all the same, or all right and wrong, break nothing."""
    known = prompts()[:3]
    with quiet():
        surrogate = plugins.build("surrogates", name)
        belief = surrogate.fit(known, np.array(means), np.full(3, 0.05), letters).of(prompts())

    assert np.isfinite(belief.mean).all()
    assert np.isfinite(belief.covariance).all()
    assert (belief.mean > -0.5).all()
    assert (belief.mean < 1.5).all()
