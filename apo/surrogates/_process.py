"""Gaussian processes over prompts, fitted; importing this loads torch."""

import numpy as np
import torch
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from gpytorch.kernels import Kernel, MaternKernel, ScaleKernel
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.priors import LogNormalPrior
from numpy.typing import NDArray

from apo.points import Points

NEAR = 1e-3
"""A length scale below all distances of different prompts."""


def process(
    seen: Points, means: NDArray[np.float64], variances: NDArray[np.float64], kernel: Kernel
) -> SingleTaskGP:
    """A process with known noise, not fitted yet; BoTorch standardizes the scores."""
    return SingleTaskGP(
        seen.values,
        torch.from_numpy(means)[:, None],
        torch.from_numpy(variances)[:, None],
        covar_module=kernel,
    )


def fitted(
    seen: Points, means: NDArray[np.float64], variances: NDArray[np.float64], kernel: Kernel
) -> SingleTaskGP:
    """The same, with the kernel's options at their posterior mode."""
    model = process(seen, means, variances, kernel)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    return model


def own(columns: int) -> Kernel:
    """What a prompt has of its own and shares with no neighbour."""
    kernel = MaternKernel(nu=0.5, active_dims=tuple(range(columns)))
    kernel.lengthscale = NEAR
    kernel.raw_lengthscale.requires_grad_(False)
    return kernel


def product(parts: tuple[int, int, int]) -> Kernel:
    """A product of kernels, one for each part's columns, each with one length scale."""
    begin, whole = 0, None
    for width in parts:
        columns = tuple(range(begin, begin + width))
        kernel = MaternKernel(nu=2.5, active_dims=columns, lengthscale_prior=LogNormalPrior(0.0, 1.0))
        whole = kernel if whole is None else whole * kernel
        begin += width
    return whole


def scaled(kernel: Kernel) -> Kernel:
    """A kernel with a scale of its own, in units of the scores' spread."""
    return ScaleKernel(kernel, outputscale_prior=LogNormalPrior(-0.7, 1.0))
