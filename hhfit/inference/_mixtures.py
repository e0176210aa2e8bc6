"""Mixture-density networks with a distribution over their weights, as in the first SNPE papers."""

import time
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from hhfit.arrays import Array
from hhfit.inference._cut import log_mass
from hhfit.inference._gaussians import Gaussians
from hhfit.inference._training import one_thread

HEADS = ("logit", "mean", "factor")
"""Blocks of the last layer."""

_SMALL = -5.0
"""Log sd of every weight at the start."""
_WIDEST = 0.1
"""Least precision factor of Gaussians that are cut off: ever wider ones further out would leave the same in the box."""
_REACH = 2.0
"""Half widths of the box within which their means stay, for the same reason."""
_CUT_DRAWS = 8
"""Draws that estimate the mass of a Gaussian inside the box in every step; without correlation one would do."""


@dataclass(frozen=True)
class Layout:
    """Size of a mixture-density network.

    Args:
        inputs: Features F.
        parameters: Dimensions P of the density.
        components: Gaussians K of the mixture.
        hidden: Units of each hidden layer.
    """

    inputs: int
    parameters: int
    components: int
    hidden: tuple[int, ...]

    @property
    def heads(self) -> dict[str, int]:
        """Outputs per component: its logit, its mean, and its precision factor."""
        return dict(zip(HEADS, (1, self.parameters, self.parameters * (self.parameters + 1) // 2), strict=True))


def initial(layout: Layout, seed: np.random.SeedSequence) -> dict[str, Array]:
    """Weights of an untrained network, by name: means ``m.*`` and log sds ``s.*``."""
    rng = np.random.default_rng(seed)
    sizes = [layout.inputs, *layout.hidden]
    weights = {"m.missing": 0.01 * rng.standard_normal((1, layout.inputs))}
    for i, (rows, columns) in enumerate(pairwise(sizes)):
        weights[f"m.hidden.{i}"] = np.sqrt(2 / (rows + 1)) * rng.standard_normal((rows + 1, columns))
        weights[f"m.hidden.{i}"][-1] = 0
    for name, count in layout.heads.items():
        scale = np.sqrt(2 / sizes[-1]) * (0.1 if name == "factor" else 1.0)
        weights[f"m.{name}"] = scale * rng.standard_normal((sizes[-1] + 1, layout.components * count))
        weights[f"m.{name}"][-1] = 0
    weights |= {"s" + name[1:]: np.full_like(value, _SMALL) for name, value in weights.items() if name != "m.missing"}
    return {name: value.astype(np.float32) for name, value in weights.items()}


def replicated(weights: Mapping[str, Array], components: int, seed: np.random.SeedSequence) -> dict[str, Array]:
    """A network of one component turned into several equal ones, told apart by noise of 1e-6."""
    rng, copy = np.random.default_rng(seed), dict(weights)
    for name in HEADS:
        for kind in "ms":
            wide = np.tile(weights[f"{kind}.{name}"], (1, components))
            noise = 1e-6 * rng.standard_normal(wide.shape) if kind == "m" else 0.0
            copy[f"{kind}.{name}"] = (wide + noise).astype(np.float32)
    return copy


def rescaled(weights: Mapping[str, Array], shift: Array, factor: Array) -> dict[str, Array]:
    """Weights of the same function of other inputs: what was ``z`` is now ``(z - shift) / factor``.

    The sds of the first layer's weights follow; that of its bias stays.

    Args:
        weights: Arrays by name, as ``initial`` makes them.
        shift: Old value of the new zero, shape ``(F,)``.
        factor: Old size of the new unit, shape ``(F,)``.
    """
    first = weights["m.hidden.0"].astype(float)
    first = np.concatenate([factor[:, None] * first[:-1], first[-1:] + shift @ first[:-1]])
    spread = weights["s.hidden.0"].astype(float)
    spread[:-1] += np.log(factor)[:, None]
    new = {"m.hidden.0": first, "s.hidden.0": spread, "m.missing": (weights["m.missing"] - shift) / factor}
    return dict(weights) | {name: value.astype(np.float32) for name, value in new.items()}


class Network(torch.nn.Module):
    """A mixture-density network whose weights each have a normal distribution.

    All weights lie in one vector, and what the last layer puts out is one product: such networks are so small that time
    goes by the number of operations.

    Args:
        layout: Its size.
        weights: Arrays by name, as ``initial`` makes them.
        random: Whether weights are drawn in training (stochastic variational inference) or taken at their means.
        bounds: Box that the density is cut off at, shape ``(2, P)``; nowhere without.
    """

    def __init__(self, layout: Layout, weights: Mapping[str, Array], random: bool, bounds: Array | None = None) -> None:
        super().__init__()
        self._bounds = None if bounds is None else torch.tensor(bounds)
        self.layout, self.random = layout, random
        mean, log_sd = anchored(weights)
        self._shapes = [weights[f"m.hidden.{i}"].shape for i in range(len(layout.hidden))]
        self._shapes.append((self._shapes[-1][1] + 1, layout.components * sum(layout.heads.values())))
        self._sizes = [rows * columns for rows, columns in self._shapes]
        self.missing = torch.nn.Parameter(torch.tensor(weights["m.missing"]))
        self.both = torch.nn.Parameter(torch.stack([mean, log_sd]))
        rows, columns = np.triu_indices(layout.parameters)
        self._upper = (torch.tensor(rows), torch.tensor(columns))

    def weights(self) -> dict[str, Array]:
        """All weights as arrays, by name."""
        found = {"m.missing": self.missing.detach().numpy().copy()}
        ends = np.cumsum([self.layout.components * count for count in self.layout.heads.values()])[:-1]
        for kind, row in zip("ms", self.both.detach(), strict=True):
            *layers, last = (layer.numpy().copy() for layer in self._layers(row))
            found |= {f"{kind}.hidden.{i}": layer for i, layer in enumerate(layers)}
            heads = zip(self.layout.heads, np.split(last, ends, axis=1), strict=True)
            found |= {f"{kind}.{name}": np.ascontiguousarray(part) for name, part in heads}
        return found

    def _layers(self, row: Tensor) -> list[Tensor]:
        return [part.view(shape) for part, shape in zip(row.split(self._sizes), self._shapes, strict=True)]

    def mixture(self, x: Tensor, noise: torch.Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights ``(B, K)``, means ``(B, K, P)`` and precision factors U ``(B, K, P, P)``, precision U'U.

        Args:
            x: Scaled features ``(B, F)``; NaN where undefined.
            noise: Source of weight noise, or ``None`` for the weights' means.
        """
        noise = noise if self.random else None
        means = self._layers(self.both[0])
        variances = self._layers(torch.exp(2 * self.both[1])) if noise is not None else [None] * len(means)
        h = torch.where(torch.isnan(x), self.missing, x)
        for mean, variance in zip(means[:-1], variances[:-1], strict=True):
            h = torch.tanh(_product(h, mean, variance, noise))
        k, size = self.layout.components, self.layout.parameters
        counts = [k * count for count in self.layout.heads.values()]
        logit, centre, flat = _product(h, means[-1], variances[-1], noise).split(counts, dim=1)
        weight, centre = torch.log_softmax(logit, dim=1), centre.unflatten(1, (k, size))
        factor = _upper(flat.unflatten(1, (k, -1)), size, self._upper)
        if self._bounds is not None:
            centre, factor = _near(centre, self._bounds), factor + _WIDEST * torch.eye(size)
        return weight, centre, factor

    def log_prob(self, y: Tensor, x: Tensor, noise: torch.Generator | None) -> Tensor:
        """Log density at points ``(B, P)`` given features ``(B, F)``, shape ``(B,)``."""
        weight, mean, factor = self.mixture(x, noise)
        height = torch.logsumexp(weight + log_gaussian(y[:, None], mean, factor), dim=1)
        if self._bounds is None:
            return height
        inside = log_mass(mean, factor, self._bounds, noise, _CUT_DRAWS).to(weight)
        return height - torch.logsumexp(weight + inside, dim=1)

    def divergence(self, anchor: tuple[Tensor, Tensor]) -> Tensor:
        """KL divergence of the weights' distribution from a normal one with these means and log sds."""
        if not self.random:
            return torch.zeros(())
        mean, log_sd = self.both
        more = 2 * (log_sd - anchor[1])
        return 0.5 * (torch.exp(more) + ((mean - anchor[0]) * torch.exp(-anchor[1])) ** 2 - 1 - more).sum()

    @torch.no_grad()
    def at(self, x: Array) -> Gaussians:
        """The mixture for one observation, scaled features ``(F,)``."""
        weight, mean, factor = self.mixture(torch.tensor(x[None], dtype=torch.float32), None)
        factor = factor[0].double().numpy()
        chance = np.exp(weight[0].double().numpy())
        precision = np.einsum("kqp,kqr->kpr", factor, factor)
        return Gaussians(chance / chance.sum(), mean[0].double().numpy(), precision)


def _product(h: Tensor, mean: Tensor, variance: Tensor | None, noise: torch.Generator | None) -> Tensor:
    """Product of a layer's input, with a one added, and its weights, which vary unless ``variance`` is ``None``."""
    h = torch.nn.functional.pad(h, (0, 1), value=1.0)
    out = h @ mean
    if variance is None:
        return out
    return out + torch.sqrt((h * h) @ variance + 1e-16) * torch.randn(out.shape, generator=noise)


def _upper(flat: Tensor, size: int, where: tuple[Tensor, Tensor]) -> Tensor:
    """Upper triangular matrices from their entries ``(B, K, P (P + 1) / 2)``; the diagonal is made positive."""
    rows, columns = where
    entries = torch.where(rows == columns, torch.exp(flat.clamp(-12, 12)), flat)
    square = torch.zeros(*flat.shape[:2], size * size)
    return square.index_copy(2, rows * size + columns, entries).unflatten(2, (size, size))


def _near(mean: Tensor, bounds: Tensor) -> Tensor:
    """Means kept within two half widths of the centre of their bounds ``(2, P)``, where those are finite."""
    finite = torch.isfinite(bounds).all(dim=0)
    low, high = torch.where(finite, bounds, torch.tensor([[-1.0], [1.0]])).to(mean)
    centre, reach = (low + high) / 2, _REACH * (high - low) / 2
    return torch.where(finite, centre + reach * torch.tanh((mean - centre) / reach), mean)


def log_gaussian(y: Tensor, mean: Tensor, factor: Tensor) -> Tensor:
    """Log densities of Gaussians with precision factor U at points, both with shape ``(B, K, ...)``."""
    z = (factor @ (y - mean)[..., None])[..., 0]
    height = torch.log(torch.diagonal(factor, dim1=-2, dim2=-1)).sum(dim=-1)
    return height - 0.5 * (z**2).sum(dim=-1) - 0.5 * y.shape[-1] * np.log(2 * np.pi)


def broad(weights: Mapping[str, Array], precision: float) -> tuple[Tensor, Tensor]:
    """The weights' prior of the first round: normal about zero."""
    mean = torch.zeros_like(anchored(weights)[0])
    return mean, torch.full_like(mean, -0.5 * np.log(precision))


def anchored(weights: Mapping[str, Array]) -> tuple[Tensor, Tensor]:
    """The weights' prior of a later round, what the round before knew: means and log sds, layer by layer."""
    depth = sum(name.startswith("m.hidden") for name in weights)
    rows = []
    for kind in "ms":
        layers = [weights[f"{kind}.hidden.{i}"] for i in range(depth)]
        layers.append(np.concatenate([weights[f"{kind}.{name}"] for name in HEADS], axis=1))
        rows.append(torch.tensor(np.concatenate([layer.ravel() for layer in layers])))
    return rows[0], rows[1]


class Steps(typing.Protocol):
    """Number and size of training steps, as the settings of a method give them."""

    @property
    def batch(self) -> int:
        """Rows per step."""

    @property
    def epochs(self) -> int:
        """Passes over the data."""

    @property
    def rate(self) -> float:
        """Learning rate at the start."""

    @property
    def clip(self) -> float:
        """Largest norm of the gradient."""


def train_mixture(
    network: Network,
    loss: Callable[[Network, Array, torch.Generator], Tensor],
    n: int,
    *,
    anchor: tuple[Tensor, Tensor],
    pull: float,
    how: "Steps",
    seed: np.random.SeedSequence,
    progress: Callable[[float, float, str], None],
) -> float:
    """Fit a network in place by Adam; the loss of the last epoch comes back.

    Args:
        network: The network.
        loss: Mean loss of a batch, given the network, row numbers and weight noise.
        n: Rows in all.
        anchor: Means and log sds that the weights' distribution is drawn towards.
        pull: Factor of its divergence, which is also divided by ``n``.
        how: Number and size of steps.
        seed: Source of the order of rows and of weight noise.
        progress: Called with epochs done, epochs in all and a note.
    """
    batch, epochs = min(how.batch, n), how.epochs
    rng = np.random.default_rng(seed)
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    optimiser = torch.optim.Adam(network.parameters(), lr=how.rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(epochs * max(n // batch, 1), 1))
    said, last = time.monotonic(), np.inf
    with one_thread():
        for epoch in range(epochs):
            order, losses = rng.permutation(n), []
            for start in range(0, max(n - batch + 1, 1), batch):
                optimiser.zero_grad(set_to_none=True)
                value = loss(network, order[start : start + batch], noise)
                (value + pull * network.divergence(anchor) / n).backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), how.clip)
                optimiser.step()
                schedule.step()
                losses.append(float(value.detach()))
                if time.monotonic() - said > 0.5:
                    progress(epoch, epochs, f"loss {last:.2f}")
                    said = time.monotonic()
            last = float(np.mean(losses))
    progress(epochs, epochs, f"loss {last:.2f}")
    return last
