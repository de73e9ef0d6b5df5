"""The belief of a trained network about untried points, as a BoTorch model; importing this loads torch."""

from typing import Any

import torch
from botorch.models.model import Model
from botorch.posteriors.gpytorch import GPyTorchPosterior
from gpytorch.distributions import MultivariateNormal
from torch import Tensor

from apo.surrogates._residual import Residual
from apo.surrogates._tangent import CHUNK, Factors, Layers, factors, output

JITTER = 1e-9
"""Added to variances, so that equal points are no trouble."""


class Standardized:
    """Columns with mean 0 and variance 1 over what was seen, over the root of their number.

    So an input has length 1 in the mean, whatever the dimension. Columns that never vary are left out.
    """

    def __init__(self, seen: Tensor, scaled: bool = True) -> None:
        spread = seen.std(dim=0, correction=0)
        # What is no number stays in, to be told where the loss is none.
        self.columns = (~(spread <= 1e-9)).nonzero().squeeze(-1)
        self.center = seen[:, self.columns].mean(dim=0)
        self.scale = spread[self.columns] * (max(len(self.columns), 1) ** 0.5 if scaled else 1.0)

    def __call__(self, points: Tensor) -> Tensor:
        """Points of shape (…, d), shape (…, columns that vary)."""
        return (points[..., self.columns] - self.center) / self.scale


class Tangent(Model):
    """Means are the network's outputs; covariances come from gradients at its weights.

    With precision 1 / prior + sum of g gᵀ / noise over what was seen, the covariance of two points is
    gᵀ precision⁻¹ g'. `diagonal` keeps only the precision's diagonal; the full one is found in its dual
    form, prior (k - kᵀ (K + noise / prior)⁻¹ k), where k are inner products of gradients. The `residual` is
    added to both: to the mean what is believed of what the network left, to the kernel its covariance.
    """

    num_outputs = 1

    def __init__(
        self,
        layers: Layers,
        to_input: Standardized,
        seen: Tensor,
        noise: Tensor,
        diagonal: bool,
        prior: float,
        residual: Residual | None = None,
    ) -> None:
        super().__init__()
        self.layers, self.to_input, self.diagonal, self.residual = layers, to_input, diagonal, residual
        self.center, self.unit = 0.0, 1.0
        self.left: Tensor | None = None
        self.before: Layers | None = None
        self.where, self.seen = seen, factors(layers, to_input(seen))
        self.prior = prior
        if diagonal:
            self.each = tuple(1 / (1 / self.prior + s) for s in self.seen.squares(1 / noise))
        else:
            kernel = prior * self.seen.products(self.seen) + self._beside(seen, seen)
            self.root = torch.linalg.cholesky(kernel + torch.diag(noise + JITTER))

    def settle(self, scores: Tensor, noise: Tensor) -> None:
        """What the network leaves of standardized scores, shape (n), is the residual's."""
        if self.residual:
            left = scores - self._fitted(self.to_input(self.where))
            beside = self._beside(self.where, self.where)
            self.left = torch.linalg.solve(beside + torch.diag(noise), left)

    def scores(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Means and deviations of m points, each by itself, shapes (m)."""
        means, variances = [], []
        for chunk in torch.split(points, CHUNK):
            found, beside = factors(self.layers, self.to_input(chunk)), self._beside(self.where, chunk)
            means.append(self._mean(chunk, beside))
            variances.append(self._variances(found, chunk, beside))
        return torch.cat(means), self.unit * torch.cat(variances).clamp(min=JITTER).sqrt()

    def posterior(self, X: Tensor, *args: Any, **options: Any) -> GPyTorchPosterior:  # noqa: N803
        """The joint belief about points of shape (…, m, d); means can be differentiated by them."""
        rows, places = torch.unique(X.detach().reshape(-1, X.shape[-1]), dim=0, return_inverse=True)
        covariance = self.unit**2 * self._covariance(factors(self.layers, self.to_input(rows)), rows)
        places = places.reshape(X.shape[:-1])
        joint = covariance[places[..., :, None], places[..., None, :]]
        mean = self._mean(X)
        return GPyTorchPosterior(MultivariateNormal(mean, joint + JITTER * torch.eye(X.shape[-2]).to(joint)))

    def _mean(self, points: Tensor, beside: Tensor | None = None) -> Tensor:
        raw = self._fitted(self.to_input(points))
        if self.left is not None:
            flat = points.detach().reshape(-1, points.shape[-1])
            common = self._beside(self.where, flat) if beside is None else beside
            raw = raw + (self.left @ common).reshape(raw.shape)
        return raw * self.unit + self.center

    def _fitted(self, inputs: Tensor) -> Tensor:
        raw = output(self.layers, inputs)
        return raw if self.before is None else raw - output(self.before, inputs)

    def _variances(self, found: Factors, points: Tensor, beside: Tensor) -> Tensor:
        if self.diagonal:
            return found.weighted(self.each)
        alone = self.residual.alone(points) if self.residual else 0.0
        return self.prior * found.lengths() + alone - (self._across(found, beside) ** 2).sum(dim=0)

    def _covariance(self, found: Factors, points: Tensor) -> Tensor:
        if self.diagonal:
            weights = torch.cat([matrix.flatten() for matrix in self.each])
            gradients = found.gradients()
            return gradients * weights @ gradients.T
        across = self._across(found, self._beside(self.where, points))
        return self.prior * found.products(found) + self._beside(points, points) - across.T @ across

    def _across(self, found: Factors, beside: Tensor) -> Tensor:
        """What was seen says of m points, shape (n, m), so that its squares are the variance it takes."""
        kernel = self.prior * self.seen.products(found) + beside
        solved: Tensor = torch.linalg.solve_triangular(self.root, kernel, upper=False)
        return solved

    def _beside(self, some: Tensor, others: Tensor) -> Tensor:
        """The residual's covariance of n points with m others, shape (n, m), or a zero."""
        return self.residual.between(some, others) if self.residual else torch.zeros(()).to(some)
