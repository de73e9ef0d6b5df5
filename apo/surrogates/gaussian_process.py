"""A Gaussian process over prompts: a product of kernels of instruction, exemplars and shape.

Two prompts are expected to do alike as far as all their parts read alike. Much that no encoder sees comes
with an exemplar list as such, its order included, whatever the instruction, and the other way round; so
each list, each instruction and each prompt also has a share of its own. With so few prompts a part has one
length scale, not one for each of the encoder's dimensions, and a prior keeps it near the distances that
sentences have. The noise is not learned: it is that of so many rows (binomial).
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
class GaussianProcess:
    """Matérn-5/2 kernels on the parts of a prompt, and shares of their own; at the posterior mode."""

    def fit(self, prompts: Sequence[Prompt], means: "Floats", variances: "Floats", embed: Embed) -> Fitted:
        """The fitted process, of standardized scores with known noise."""
        from apo.surrogates._process import columns, optimize, own, process, product, scaled

        seen = points(prompts, embed)
        instruction, exemplars, _ = columns(seen.parts)
        kernel = scaled(product(seen.parts))
        for part in (instruction, exemplars, None):
            kernel = kernel + scaled(own(part))
        model = process(seen.values, means, variances, kernel)
        optimize(model)
        return Fitted(model, seen.values, lambda others: points(others, embed).values)
