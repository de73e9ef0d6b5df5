"""Gaussian processes over prompts, fitted; importing this loads torch."""

from collections.abc import Sequence
from functools import reduce
from itertools import accumulate
from operator import mul

import numpy as np
import torch
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from gpytorch.kernels import Kernel, MaternKernel, ScaleKernel
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.priors import LogNormalPrior
from numpy.typing import NDArray
from torch import Tensor

NEAR = 1e-3
"""A length scale below all distances of different prompts."""


def process(
    seen: Tensor, means: NDArray[np.float64], variances: NDArray[np.float64], kernel: Kernel
) -> SingleTaskGP:
    """A process with known noise, not fitted yet; BoTorch standardizes the scores."""
    # The matrices are small, and threads that wait for a core that the model server holds take for ever.
    torch.set_num_threads(1)
    return SingleTaskGP(
        seen,
        torch.from_numpy(means)[:, None],
        torch.from_numpy(variances)[:, None],
        covar_module=kernel,
    )


def optimize(model: SingleTaskGP) -> None:
    """Bring the kernel's options to their posterior mode."""
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))


def columns(parts: Sequence[int]) -> list[tuple[int, ...]]:
    """The columns of each part."""
    ends = list(accumulate(parts))
    return [tuple(range(end - width, end)) for end, width in zip(ends, parts, strict=True)]


def own(columns: tuple[int, ...] | None = None) -> Kernel:
    """What is shared by prompts that are the same in these columns (None: in all), and by no others."""
    kernel = MaternKernel(nu=0.5, active_dims=columns)
    kernel.lengthscale = NEAR
    kernel.raw_lengthscale.requires_grad_(False)
    return kernel


def product(parts: tuple[int, ...]) -> Kernel:
    """A product of kernels, one for each part's columns, each with one length scale."""
    kernels = [
        MaternKernel(nu=2.5, active_dims=part, lengthscale_prior=LogNormalPrior(0.0, 1.0))
        for part in columns(parts)
    ]
    return reduce(mul, kernels)


def scaled(kernel: Kernel) -> Kernel:
    """A kernel with a scale of its own, in units of the scores' spread."""
    return ScaleKernel(kernel, outputscale_prior=LogNormalPrior(-0.7, 1.0))
