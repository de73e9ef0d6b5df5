"""The structural deep kernel of HbBoPs (Schneider et al. 2025, section 4.1): a Gaussian process on what
small networks make of a prompt's parts, all fitted together.

Instruction and exemplars pass encoders of their own (to 64, then 32, with ReLU), and both together
another one (to 32, then 10); Matérn-5/2 with a length scale for each of the 10. AdamW at rate 0.01, until
the marginal likelihood has not risen for 10 epochs. Deviations: the shape of a prompt joins what the
encoders made, a prompt may have a share of its own, the noise is that of so many rows (binomial) instead
of a learned one, and a rise of less than RISE is none: of scores that are all equal a process becomes surer
for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apo.embedding import Embed
from apo.points import points
from apo.prompt import Prompt
from apo.surrogates import Fitted

if TYPE_CHECKING:
    from botorch.models import SingleTaskGP

    from apo.arrays import Floats

RISE = 1e-4
"""Of the marginal likelihood, nats a point: less is none."""


@dataclass(frozen=True)
class DeepKernel:
    """Networks and process, fitted by the marginal likelihood; `seed` draws the first weights."""

    rate: float = 0.01
    epochs: int = 3000
    patience: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the options."""
        if not self.rate > 0 or self.epochs < 1 or self.patience < 1:
            raise ValueError(
                "rate, epochs and patience must be positive, "
                f"not {self.rate}, {self.epochs} and {self.patience}"
            )

    def fit(self, prompts: Sequence[Prompt], means: "Floats", variances: "Floats", embed: Embed) -> Fitted:
        """The fitted process, of standardized scores with known noise."""
        import torch

        from apo.surrogates._networks import EncodedMatern
        from apo.surrogates._process import own, process, scaled

        # Training ends where it ends to the last digit, so that its data come in one order.
        order = sorted(range(len(prompts)), key=lambda place: prompts[place].digest)
        seen = points([prompts[place] for place in order], embed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            kernel = scaled(EncodedMatern(seen.parts)) + scaled(own())
        model = process(seen.values, means[order], variances[order], kernel)
        self._train(model)
        return Fitted(model, seen.values, lambda others: points(others, embed).values)

    def _train(self, model: "SingleTaskGP") -> None:
        """Fit networks and kernel together."""
        import torch
        from gpytorch.mlls import ExactMarginalLogLikelihood

        likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=self.rate)
        best, since = float("inf"), 0
        for _ in range(self.epochs):
            optimizer.zero_grad()
            loss = -likelihood(model(*model.train_inputs), model.train_targets)
            loss.backward()
            optimizer.step()
            value = float(loss.detach())
            best, since = (value, 0) if value < best - RISE else (best, since + 1)
            if since >= self.patience:
                break
        model.eval()
