"""A neural network and its gradients as features: the belief of NeuralUCB (Zhou et al. 2020), as INSTINCT
uses it over hidden states (Lin et al., ICML 2024, section 3.2 and appendix).

A network with one hidden layer predicts scores; a point is as uncertain as its gradient points away from the
gradients of what was measured. Mean plus nu deviations, or a draw, is the acquisition functions' business
(`upper_confidence:beta=nu²`, `thompson`), so nu stands outside of the root, as in the paper.

Deviations from the released code, with reasons; `paper` undoes those that are marked with *:
- it is fitted before the first pick, and everything measured enters the design matrix: released code picks
  first by an untrained network, and forgets what its random beginning taught;
- nu is outside of the root: inside, its square root is tuned;
- * weights begin with variance 1 / inputs, not 1, and what the untrained network says is taken off: with
  hundreds of inputs it would begin at scores of hundreds;
- * inputs are divided by the root of their number, scores are standardized, and the prior is scaled to the
  scores' variance, so that one nu suits all dimensions;
- * noise is that of the rows that a score comes from, in place of one lambda for all: a schedule may stop
  prompts after few rows;
- * what the network leaves is a Gaussian process's: narrow peaks, and what a prompt, its instruction or its
  exemplar list has of its own, each as far as the scores say (`_residual.py`). Otherwise a prompt that was
  measured often would be believed to be what its neighbours are;
- * squared distance from the beginning counts as much in training as in the design matrix (one lambda, as in
  Zhou et al., not one for each);
- * the full design matrix, in its dual form, which is exact and faster for fewer points than weights;
- columns that do not vary are left out; two different inputs differ in another one.
With `paper`: standard normal weights, raw scores, lambda 0.1 as noise and weight decay, a diagonal matrix,
1000 epochs of Adam at 1e-3 from the same beginning each time. Weight decay draws to the beginning as in
Zhou et al., not to 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from apo.embedding import Embed
from apo.points import points
from apo.prompt import Prompt
from apo.surrogates import Fitted

if TYPE_CHECKING:
    from apo.arrays import Floats
    from apo.surrogates._neural_model import Tangent

LEAST_SPREAD = 0.05
"""Standard deviation of scores, at least, where they are put in units of it."""
PAPER_RATE, PAPER_EPOCHS = 1e-3, 1000


@dataclass(frozen=True)
class NeuralUcb:
    """A network of `depth` layers of `width` ReLUs; the `design` matrix of gradients is full or diagonal.

    `noise` multiplies the noise of scores (lambda); `residual` adds what the network leaves, which the full
    matrix alone can; `paper` takes the paper's setting instead.
    """

    width: int = 100
    depth: int = 1
    noise: float = 1.0
    rate: float = 1e-2
    epochs: int = 200
    design: Literal["full", "diagonal"] = "full"
    residual: bool = True
    seed: int = 0
    paper: bool = False

    def __post_init__(self) -> None:
        """Check the options."""
        for name in ("width", "depth", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("noise", "rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")

    def fit(self, prompts: Sequence[Prompt], means: "Floats", variances: "Floats", embed: Embed) -> Fitted:
        """The trained network with its design matrix.

        Raises:
            FloatingPointError: the loss is no number.
        """
        import numpy as np

        # Sums in another order would train another network.
        order = np.argsort([p.digest for p in prompts])
        seen = points([prompts[i] for i in order], embed)
        model = self.learn(seen.values.numpy(), means[order], variances[order], seen.parts)
        return Fitted(model, seen.values, lambda others: points(others, embed).values)

    def learn(
        self, seen: "Floats", means: "Floats", variances: "Floats", parts: tuple[int, ...] = ()
    ) -> "Tangent":
        """The same for points of shape (n, d), n at least 1, with scores and their variances, shapes (n).

        `parts` says how many columns each part of a point has; points equal in one may have more in common.

        Raises:
            FloatingPointError: the loss is no number.
        """
        import torch

        from apo.surrogates._neural_model import Standardized, Tangent
        from apo.surrogates._residual import residual
        from apo.surrogates._tangent import drawn, factors, output, trained

        torch.set_num_threads(1)
        where, scores = torch.from_numpy(seen).double(), torch.from_numpy(means).double()
        to_input = Standardized(where, scaled=not self.paper)
        inputs = to_input(where)
        sizes = [inputs.shape[1], *[self.width] * self.depth, 1]
        begin = drawn(sizes, self.seed, scaled=not self.paper)
        if self.paper:
            noise = torch.full_like(scores, 0.1)
            layers = trained(begin, inputs, scores, noise, rate=PAPER_RATE, epochs=PAPER_EPOCHS)
            return Tangent(layers, to_input, where, noise, diagonal=True, prior=1.0)
        center, unit = float(scores.mean()), max(float(scores.std(correction=0)), LEAST_SPREAD)
        noise = self.noise * torch.from_numpy(variances).double() / unit**2
        diagonal, network = self.design == "diagonal", factors(begin, inputs)
        values = (scores - center) / unit
        beside = residual(where, parts, network, values, noise) if self.residual and not diagonal else None
        prior = (beside.explained if beside else 1.0) / float(network.lengths().mean())
        spread = noise + beside.alone(where) if beside else noise
        targets = values + output(begin, inputs)
        layers = trained(begin, inputs, targets, spread, rate=self.rate, epochs=self.epochs, prior=prior)
        model = Tangent(layers, to_input, where, noise, diagonal, prior, beside)
        model.center, model.unit, model.before = center, unit, begin
        model.settle(values, noise)
        return model
