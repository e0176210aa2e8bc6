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
        return {"logit": 1, "mean": self.parameters, "factor": self.parameters * (self.parameters + 1) // 2}


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
    for name in ("logit", "mean", "factor"):
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
        self.names = sorted(weights)
        self.values = torch.nn.ParameterList(torch.tensor(weights[name]) for name in self.names)
        self._where = {name: i for i, name in enumerate(self.names)}
        rows, columns = np.triu_indices(layout.parameters)
        self._upper = (torch.tensor(rows), torch.tensor(columns))

    def weights(self) -> dict[str, Array]:
        """All weights as arrays, by name."""
        return {name: self.values[i].detach().numpy().copy() for i, name in enumerate(self.names)}

    def value(self, name: str) -> Tensor:
        """One array of weights."""
        return self.values[self._where[name]]

    def _layer(self, h: Tensor, name: str, noise: torch.Generator | None) -> Tensor:
        h = torch.nn.functional.pad(h, (0, 1), value=1.0)
        mean = h @ self.value(f"m.{name}")
        if noise is None:
            return mean
        spread = (h**2) @ torch.exp(2 * self.value(f"s.{name}"))
        return mean + torch.sqrt(spread + 1e-16) * torch.randn(mean.shape, generator=noise)

    def mixture(self, x: Tensor, noise: torch.Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights ``(B, K)``, means ``(B, K, P)`` and precision factors U ``(B, K, P, P)``, precision U'U.

        Args:
            x: Scaled features ``(B, F)``; NaN where undefined.
            noise: Source of weight noise, or ``None`` for the weights' means.
        """
        noise = noise if self.random else None
        h = torch.where(torch.isnan(x), self.value("m.missing"), x)
        for i in range(len(self.layout.hidden)):
            h = torch.tanh(self._layer(h, f"hidden.{i}", noise))
        k, size = self.layout.components, self.layout.parameters
        weight = torch.log_softmax(self._layer(h, "logit", noise), dim=1)
        mean = self._layer(h, "mean", noise).unflatten(1, (k, size))
        flat = self._layer(h, "factor", noise).unflatten(1, (k, -1))
        factor = _upper(flat, size, self._upper)
        if self._bounds is not None:
            mean, factor = _near(mean, self._bounds), factor + _WIDEST * torch.eye(size)
        return weight, mean, factor

    def log_prob(self, y: Tensor, x: Tensor, noise: torch.Generator | None) -> Tensor:
        """Log density at points ``(B, P)`` given features ``(B, F)``, shape ``(B,)``."""
        weight, mean, factor = self.mixture(x, noise)
        height = torch.logsumexp(weight + log_gaussian(y[:, None], mean, factor), dim=1)
        if self._bounds is None:
            return height
        inside = log_mass(mean, factor, self._bounds, noise, _CUT_DRAWS).to(weight)
        return height - torch.logsumexp(weight + inside, dim=1)

    def divergence(self, anchor: Mapping[str, Tensor]) -> Tensor:
        """KL divergence of the weights' distribution from a normal one with means ``m.*`` and log sds ``s.*``."""
        total = torch.zeros(())
        for name in self.names:
            if name.startswith("s.") and self.random:
                mean, log_sd = self.value("m" + name[1:]), self.value(name)
                mean0, log_sd0 = anchor["m" + name[1:]], anchor[name]
                ratio = torch.exp(2 * (log_sd - log_sd0)) + ((mean - mean0) * torch.exp(-log_sd0)) ** 2
                total = total + 0.5 * (ratio - 1 - 2 * (log_sd - log_sd0)).sum()
        return total

    @torch.no_grad()
    def at(self, x: Array) -> Gaussians:
        """The mixture for one observation, scaled features ``(F,)``."""
        weight, mean, factor = self.mixture(torch.tensor(x[None], dtype=torch.float32), None)
        factor = factor[0].double().numpy()
        chance = np.exp(weight[0].double().numpy())
        precision = np.einsum("kqp,kqr->kpr", factor, factor)
        return Gaussians(chance / chance.sum(), mean[0].double().numpy(), precision)


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


def broad(weights: Mapping[str, Array], precision: float) -> dict[str, Tensor]:
    """The weights' prior of the first round: normal about zero."""
    log_sd = -0.5 * np.log(precision)
    return {name: torch.full(value.shape, 0.0 if name[0] == "m" else log_sd) for name, value in weights.items()}


def anchored(weights: Mapping[str, Array]) -> dict[str, Tensor]:
    """The weights' prior of a later round: what the round before knew."""
    return {name: torch.tensor(value) for name, value in weights.items()}


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
    anchor: Mapping[str, Tensor],
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
        anchor: Distribution of the weights that they are drawn towards.
        pull: Factor of its divergence, which is also divided by ``n``.
        how: Number and size of steps.
        seed: Source of the order of rows and of weight noise.
        progress: Called with epochs done, epochs in all and a note.
    """
    batch, epochs = min(how.batch, n), how.epochs
    rng = np.random.default_rng(seed)
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    optimiser = torch.optim.Adam(network.parameters(), lr=how.rate)
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
