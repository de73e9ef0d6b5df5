"""The neural surrogate: gradients, design matrices and uncertainty, checked against their definitions."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from apo import plugins
from apo.belief import quiet
from apo.errors import ConfigError
from apo.surrogates._tangent import drawn, factors, output
from apo.surrogates.neural_ucb import NeuralUcb

if TYPE_CHECKING:
    from apo.surrogates._neural_model import Tangent


def cloud(n: int, d: int = 6, seed: int = 0) -> NDArray[np.float64]:
    """Random points."""
    return np.random.default_rng(seed).normal(size=(n, d))


def learned(
    points: NDArray[np.float64], means: NDArray[np.float64] | None = None, **options: Any
) -> "Tangent":
    """A belief after scores with the noise of twenty rows; by default scores follow the first coordinate."""
    scores = 1 / (1 + np.exp(-points[:, 0])) if means is None else means
    with quiet():
        return NeuralUcb(**options).learn(points, scores, np.full(len(points), 0.25 / 20))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_gradients_are_those_of_autograd(hidden: list[int], n: int, seed: int) -> None:
    """Per-sample gradients, their products, lengths and squares, at any depth, one by one by autograd."""
    layers = tuple(w.requires_grad_() for w in drawn([3, *hidden, 1], seed, scaled=False))
    points = torch.from_numpy(cloud(n, 3, seed))
    expected = []
    for point in points:
        parts = torch.autograd.grad(output(layers, point), layers, allow_unused=True)
        expected.append(torch.cat([p.flatten() for p in parts if p is not None]))
    whole = torch.stack(expected)
    found = factors(tuple(w.detach() for w in layers), points)
    weights = torch.rand(n, dtype=torch.double)
    squares = torch.cat([s.flatten() for s in found.squares(weights)])

    torch.testing.assert_close(found.gradients(), whole)
    torch.testing.assert_close(found.products(found), whole @ whole.T)
    torch.testing.assert_close(found.lengths(), (whole**2).sum(1))
    torch.testing.assert_close(squares, weights @ whole**2)
    torch.testing.assert_close(found.weighted(found.squares(weights)), whole**2 @ squares)


@pytest.mark.parametrize("design", ["full", "diagonal"])
def test_variance_is_the_design_matrix_inverted(design: str) -> None:
    """Both designs are gᵀ (I / prior + Σ g gᵀ / noise)⁻¹ g, the diagonal one without what is off it."""
    points, others = cloud(12), torch.from_numpy(cloud(5, seed=1))
    model = learned(points, design=design, width=4, residual=False)
    gradients = model.seen.gradients()
    noise = 0.25 / 20 / model.unit**2
    precision = torch.eye(gradients.shape[1]) / model.prior + gradients.T @ gradients / noise
    if design == "diagonal":
        precision = torch.diag(precision.diagonal())
    new = factors(model.layers, model.to_input(others)).gradients()
    expected = model.unit**2 * new @ torch.linalg.inv(precision) @ new.T
    joint = model.posterior(others).distribution.covariance_matrix

    torch.testing.assert_close(joint, expected, atol=1e-6, rtol=1e-3)
    torch.testing.assert_close(model.scores(others)[1] ** 2, expected.diagonal(), atol=1e-6, rtol=1e-3)


def test_designs_agree_on_a_diagonal_matrix() -> None:
    """With one weight that matters the design matrix is diagonal, and both variants are the same."""
    with quiet():
        from apo.surrogates._neural_model import Tangent
    layers = (torch.zeros(1, 2, dtype=torch.double),)
    seen = torch.tensor([[1.0], [-1.0]], dtype=torch.double)
    noise = torch.full((2,), 0.3, dtype=torch.double)

    def same(points: torch.Tensor) -> torch.Tensor:
        return points

    full, diagonal = (Tangent(layers, same, seen, noise, d, 1.0) for d in (False, True))  # type: ignore[arg-type]
    new = torch.tensor([[0.5], [3.0], [1.0]], dtype=torch.double)

    torch.testing.assert_close(full.scores(new), diagonal.scores(new))
    expected = (new[:, 0] ** 2 + 1) / (1 + 2 / 0.3)
    torch.testing.assert_close(full.scores(new)[1] ** 2, expected)


@pytest.mark.parametrize("options", [{}, {"design": "diagonal"}, {"paper": True}])
def test_uncertainty_shrinks_where_data_are(options: dict[str, Any]) -> None:
    """Points that were measured are more certain than others, and more so the oftener they were."""
    known, new = cloud(30), cloud(30, seed=1)
    few, many = learned(known[:10], **options), learned(known, **options)
    at_known, at_new = (many.scores(torch.from_numpy(where))[1].mean() for where in (known, new))

    assert at_known < at_new
    late = torch.from_numpy(known[10:])
    assert (many.scores(late)[1] / many.unit).mean() < (few.scores(late)[1] / few.unit).mean()


@pytest.mark.parametrize(
    ("options", "least"), [({}, 0.8), ({"depth": 2}, 0.8), ({"design": "diagonal"}, 0.8)]
)
def test_learns(options: dict[str, Any], least: float) -> None:
    """Scores that follow from the points are predicted in about their order."""
    new = cloud(60, seed=1)
    means, _ = learned(cloud(80), **options).scores(torch.from_numpy(new))

    assert np.corrcoef(means.numpy(), new[:, 0])[0, 1] > least


def test_papers_setting_interpolates() -> None:
    """In many dimensions a thousand epochs bring the network through all scores that it saw."""
    points = cloud(30, 600)
    means, _ = learned(points, paper=True).scores(torch.from_numpy(points))

    np.testing.assert_allclose(means.numpy(), 1 / (1 + np.exp(-points[:, 0])), atol=0.05)


def test_one_by_one_or_together() -> None:
    """Scores of many points are the joint belief's diagonal, in batches of any shape."""
    model = learned(cloud(10))
    points = torch.from_numpy(cloud(6, seed=1))
    means, deviations = model.scores(points)
    batched = model.posterior(points.reshape(3, 2, -1))

    torch.testing.assert_close(batched.mean.reshape(-1), means)
    torch.testing.assert_close(batched.variance.reshape(-1).sqrt(), deviations, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("options", [{}, {"paper": True}])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_equal_scores_and_one_point(value: float, options: dict[str, Any]) -> None:
    """Equal scores, one point, or points that are all the same: a finite belief around that score."""
    new = torch.from_numpy(cloud(5, seed=1))
    for points in (cloud(8), cloud(1), np.ones((4, 6))):
        means, deviations = learned(points, np.full(len(points), value), **options).scores(new)
        assert torch.isfinite(means).all()
        assert torch.isfinite(deviations).all()
        assert (deviations > 0).all()


def test_loss_that_is_no_number_is_told() -> None:
    """Embeddings that are no numbers end in an error that says what to look for."""
    points = cloud(5)
    points[2, 0] = np.nan
    with pytest.raises(FloatingPointError, match="rate"):
        learned(points, np.linspace(0, 1, 5), paper=True)


@pytest.mark.parametrize("option", ["width=0", "epochs=0", "noise=0", "rate=-1", "design=round"])
def test_options_refused(option: str) -> None:
    """Options that mean nothing are refused by name."""
    with pytest.raises(ConfigError, match=option.partition("=")[0]):
        plugins.build("surrogates", f"neural_ucb:{option}")


def test_residual_is_beside_the_gradients() -> None:
    """Covariances are those of gradients, of near points and of equal ones, given scores with their noise."""
    known = cloud(12)
    points = torch.from_numpy(np.vstack([known[:2], cloud(3, seed=1)]))
    model = learned(known, np.random.default_rng(0).uniform(size=12), width=4)
    assert model.residual is not None
    every = torch.cat([torch.from_numpy(known), points])
    gradients = factors(model.layers, model.to_input(every)).gradients()
    equal = (every[:, None] == every[None]).all(dim=-1).double()
    near, own = model.residual.kernel.kernels
    away = 5**0.5 * torch.cdist(every, every) / float(near.base_kernel.lengthscale)
    alike = (1 + away + away**2 / 3) * torch.exp(-away)
    beside = (float(near.outputscale) * alike + float(own.outputscale) * equal).detach()
    torch.testing.assert_close(model.residual.between(every, every), beside, atol=1e-6, rtol=1e-3)
    kernel = model.prior * gradients @ gradients.T + beside
    seen = kernel[:12, :12] + 0.25 / 20 / model.unit**2 * torch.eye(12)
    expected = kernel[12:, 12:] - kernel[12:, :12] @ torch.linalg.solve(seen, kernel[:12, 12:])

    joint = model.posterior(points).distribution.covariance_matrix
    torch.testing.assert_close(joint, model.unit**2 * expected, atol=1e-6, rtol=1e-3)
    torch.testing.assert_close(model.scores(points)[1] ** 2, joint.diagonal(), atol=1e-6, rtol=1e-3)
    torch.testing.assert_close(model.residual.alone(every), beside.diagonal())


def test_a_narrow_peak_is_seen() -> None:
    """Near some points that are far better than all the others more is expected than the network sees."""
    flat = cloud(60) / 3
    near, far = flat[:1] + 0.02, flat[1:2] + 0.02
    scores = np.where(np.arange(60) == 0, 0.9, 0.1)
    peaks = np.vstack([flat, flat[:1] + 0.01, flat[:1] - 0.01])
    model = learned(peaks, np.concatenate([scores, [0.9, 0.9]]))
    network = learned(peaks, np.concatenate([scores, [0.9, 0.9]]), residual=False)
    both = torch.from_numpy(np.vstack([near, far]))
    (high, low), (smoothed, _) = model.scores(both)[0], network.scores(both)[0]

    assert high > 0.5 > 0.3 > low
    assert high > smoothed + 0.1


def test_what_no_point_explains_is_its_own() -> None:
    """Where scores have nothing to do with the points, those measured are believed, and others are not."""
    known, scores = cloud(40), np.random.default_rng(1).uniform(size=40)
    new = torch.from_numpy(cloud(40, seed=2))
    model, network = learned(known, scores), learned(known, scores, residual=False)
    seen = model.scores(torch.from_numpy(known))[0].numpy()

    assert np.abs(seen - scores).mean() < 0.1
    assert model.scores(new)[0].std() < network.scores(new)[0].std()


def test_equal_parts_have_something_in_common() -> None:
    """A new prompt is expected to be as good as those that share a part with it, where that part decides."""
    rng = np.random.default_rng(0)
    lists, texts = rng.normal(size=(8, 5)), rng.normal(size=(5, 5))
    worth = rng.uniform(0.2, 0.8, size=8)
    places = [(one, text) for one in range(8) for text in range(5)]
    points = np.array([np.concatenate([texts[text], lists[one]]) for one, text in places])
    scores = np.array([worth[one] for one, _ in places]) + rng.normal(size=40) * 0.05
    with quiet():
        model = NeuralUcb().learn(points, scores, np.full(40, 0.25 / 20), (5, 5))
    fresh = np.array([np.concatenate([rng.normal(size=5), one]) for one in lists])
    means, _ = model.scores(torch.from_numpy(fresh))

    assert np.abs(means.numpy() - worth).mean() < 0.08
