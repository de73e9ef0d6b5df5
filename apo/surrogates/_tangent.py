"""A small network, and what the gradients of its output say of how sure it is; importing this loads torch.

The gradient of a layer's weights is the outer product of what goes into the layer and of what its output
is worth (its tap's gradient). So inner products of per-sample gradients, and their sums of squares, need only
these two factors: 10,000 gradients of 57,801 numbers are never in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor
from torch.func import grad, vmap

Layers = tuple[Tensor, ...]
"""Weights of each layer, shape (outputs, inputs + 1); the last column is the bias."""
CHUNK = 1024
"""Points whose factors are found at once."""


def drawn(sizes: Sequence[int], seed: int, scaled: bool) -> Layers:
    """Layers with normal weights, and variance 1 / inputs if `scaled`, else 1; the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for inputs, outputs in pairwise(sizes):
        weights = torch.randn(outputs, inputs + 1, generator=generator, dtype=torch.double)
        layers.append(weights / (max(inputs, 1) ** 0.5 if scaled else 1.0))
    return tuple(layers)


def output(layers: Layers, point: Tensor, taps: Sequence[Tensor] = ()) -> Tensor:
    """The network's output, shape (…), for points of shape (…, inputs); `taps` are added to each layer's."""
    value = point
    for depth, layer in enumerate(layers):
        value = torch.relu(value) if depth else value
        value = value @ layer[:, :-1].T + layer[:, -1]
        value = value + taps[depth] if taps else value
    return value.squeeze(-1)


@dataclass(frozen=True)
class Factors:
    """Per-sample gradients of n points, layer by layer, as outer products."""

    inputs: tuple[Tensor, ...]
    """Of each layer, shape (n, inputs + 1); the last column is 1."""
    worth: tuple[Tensor, ...]
    """Of each layer's outputs, shape (n, outputs)."""

    def gradients(self) -> Tensor:
        """In full, shape (n, parameters)."""
        parts = [torch.einsum("no,ni->noi", w, a).flatten(1) for a, w in zip(*self._both, strict=True)]
        return torch.cat(parts, dim=1)

    def products(self, other: "Factors") -> Tensor:
        """Inner products of these gradients with others, shape (n, m): the empirical tangent kernel."""
        pairs = zip(*self._both, *other._both, strict=True)
        return cast(Tensor, sum((a @ b.T) * (w @ v.T) for a, w, b, v in pairs))

    def lengths(self) -> Tensor:
        """Squared lengths of the gradients, shape (n)."""
        parts = [(a**2).sum(1) * (w**2).sum(1) for a, w in zip(*self._both, strict=True)]
        return cast(Tensor, sum(parts))

    def squares(self, weights: Tensor) -> Layers:
        """Weighted sums over the points of squared gradients, a matrix for each layer."""
        return tuple((w**2).T @ (weights[:, None] * a**2) for a, w in zip(*self._both, strict=True))

    def weighted(self, each: Layers) -> Tensor:
        """For each point the sum of squared gradients times `each`, shape (n)."""
        layers = zip(*self._both, each, strict=True)
        return cast(Tensor, sum(((w**2 @ matrix) * a**2).sum(1) for a, w, matrix in layers))

    @property
    def _both(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        return self.inputs, self.worth


def factors(layers: Layers, points: Tensor) -> Factors:
    """The factors of per-sample gradients at points of shape (n, inputs)."""
    taps = tuple(torch.zeros(len(layer), dtype=points.dtype) for layer in layers)
    worth = vmap(grad(lambda tap, x: output(layers, x, tap)), in_dims=(None, 0))(taps, points)
    value, inputs = points, []
    for depth, layer in enumerate(layers):
        value = torch.relu(value) if depth else value
        inputs.append(torch.cat([value, torch.ones_like(value[:, :1])], dim=1))
        value = value @ layer[:, :-1].T + layer[:, -1]
    return Factors(tuple(inputs), tuple(worth))


def trained(
    layers: Layers,
    points: Tensor,
    targets: Tensor,
    noise: Tensor,
    *,
    rate: float,
    epochs: int,
    prior: float = 1.0,
) -> Layers:
    """The network after full-batch Adam on weighted squares, drawn to where it began.

    Args:
        layers: where it begins.
        points: shape (n, inputs).
        targets: shape (n).
        noise: variances of the targets, shape (n).
        rate: Adam's step.
        epochs: how many.
        prior: variance of the weights about where they begin.

    Raises:
        FloatingPointError: the loss is no number, at this rate or on these values.
    """
    moved = [layer.clone().requires_grad_() for layer in layers]
    optimizer = torch.optim.Adam(moved, lr=rate)
    for _ in range(epochs):
        optimizer.zero_grad()
        errors = output(tuple(moved), points) - targets
        drift = sum(((new - old) ** 2).sum() for new, old in zip(moved, layers, strict=True))
        loss = ((errors**2 / noise).sum() + drift / prior) / len(points)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"The neural surrogate's loss is {float(loss)}: lower its rate ({rate}), or look for scores "
                "or embeddings that are no numbers."
            )
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return tuple(layer.detach() for layer in moved)
