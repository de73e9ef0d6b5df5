"""The Gaussian process of InstructZero (Chen et al., ICML 2024) as a surrogate, to compare others with.

A Matérn-5/2 kernel over the whole point of a prompt (theirs is joined with one over soft prompts); its length
scale, its scale and one noise for all scores at the posterior mode under the priors that BoTorch had then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo.embedding import Embed
from apo.points import points
from apo.prompt import Prompt
from apo.surrogates import Fitted

if TYPE_CHECKING:
    from apo.arrays import Floats


@dataclass(frozen=True)
class PlainGp:
    """It knows nothing of parts, of rows that scores come from, or of what a prompt has of its own."""

    def fit(self, prompts: Sequence[Prompt], means: "Floats", variances: "Floats", embed: Embed) -> Fitted:
        """The fitted process, of standardized scores."""
        import torch
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from gpytorch.kernels import MaternKernel, ScaleKernel
        from gpytorch.likelihoods import GaussianLikelihood
        from gpytorch.mlls import ExactMarginalLogLikelihood
        from gpytorch.priors import GammaPrior

        torch.set_num_threads(1)
        seen = points(prompts, embed).values
        near = MaternKernel(nu=2.5, lengthscale_prior=GammaPrior(3.0, 6.0))
        model = SingleTaskGP(
            seen,
            torch.from_numpy(means)[:, None],
            likelihood=GaussianLikelihood(noise_prior=GammaPrior(1.1, 0.05)),
            covar_module=ScaleKernel(near, outputscale_prior=GammaPrior(2.0, 0.15)),
        )
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        return Fitted(model, seen, lambda others: points(others, embed).values)
