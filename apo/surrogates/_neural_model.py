"""The belief of a trained network about untried points, as a BoTorch model; importing this loads torch."""

from typing import Any

import torch
from botorch.models.model import Model
from botorch.posteriors.gpytorch import GPyTorchPosterior
from gpytorch.distributions import MultivariateNormal
from torch import Tensor

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
    form, prior (k - kᵀ (K + noise / prior)⁻¹ k), where k are inner products of gradients.
    """

    num_outputs = 1

    def __init__(
        self,
        layers: Layers,
        to_input: Standardized,
        seen: Tensor,
        noise: Tensor,
        diagonal: bool,
        scaled: bool,
    ) -> None:
        super().__init__()
        self.layers, self.to_input, self.diagonal = layers, to_input, diagonal
        self.center, self.unit = 0.0, 1.0
        self.before: Layers | None = None
        self.seen = factors(layers, to_input(seen))
        self.prior = 1 / max(float(self.seen.lengths().mean()), 1e-12) if scaled else 1.0
        if diagonal:
            self.each = tuple(1 / (1 / self.prior + s) for s in self.seen.squares(1 / noise))
        else:
            kernel = self.prior * self.seen.products(self.seen)
            self.root = torch.linalg.cholesky(kernel + torch.diag(noise + JITTER))

    def scores(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Means and deviations of m points, each by itself, shapes (m)."""
        means, variances = [], []
        for chunk in torch.split(points, CHUNK):
            inputs = self.to_input(chunk)
            means.append(self._mean(inputs))
            variances.append(self._variances(factors(self.layers, inputs)))
        return torch.cat(means), self.unit * torch.cat(variances).clamp(min=JITTER).sqrt()

    def posterior(self, X: Tensor, *args: Any, **options: Any) -> GPyTorchPosterior:  # noqa: N803
        """The joint belief about points of shape (…, m, d); means can be differentiated by them."""
        rows, places = torch.unique(X.detach().reshape(-1, X.shape[-1]), dim=0, return_inverse=True)
        covariance = self.unit**2 * self._covariance(factors(self.layers, self.to_input(rows)))
        places = places.reshape(X.shape[:-1])
        joint = covariance[places[..., :, None], places[..., None, :]]
        mean = self._mean(self.to_input(X))
        return GPyTorchPosterior(MultivariateNormal(mean, joint + JITTER * torch.eye(X.shape[-2]).to(joint)))

    def _mean(self, inputs: Tensor) -> Tensor:
        raw = output(self.layers, inputs)
        raw = raw if self.before is None else raw - output(self.before, inputs)
        return raw * self.unit + self.center

    def _variances(self, found: Factors) -> Tensor:
        if self.diagonal:
            return found.weighted(self.each)
        return self.prior * found.lengths() - (self._across(found) ** 2).sum(dim=0)

    def _covariance(self, found: Factors) -> Tensor:
        if self.diagonal:
            weights = torch.cat([matrix.flatten() for matrix in self.each])
            gradients = found.gradients()
            return gradients * weights @ gradients.T
        across = self._across(found)
        return self.prior * found.products(found) - across.T @ across

    def _across(self, found: Factors) -> Tensor:
        """What was seen says of m points, shape (n, m), so that its squares are the variance it takes."""
        kernel = self.prior * self.seen.products(found)
        solved: Tensor = torch.linalg.solve_triangular(self.root, kernel, upper=False)
        return solved
