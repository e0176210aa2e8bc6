"""Autoregressive spline flows on the unit cube, several of equal shape evaluated at once.

Every layer shifts and stretches before its splines bend. The base density is uniform on the cube and every layer maps
the cube onto itself, so the mass inside is exactly 1 and the untrained flow is the prior itself. A leading axis K runs
over the members of an ensemble: they share no weight, but one batched product serves them all, which costs far less
than K small networks in turn.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hhfit.arrays import Array
from hhfit.inference import _recurrent, _shifts, _splines

_NONE = np.zeros((0, 0))


@dataclass(frozen=True)
class Shape:
    """Size of the flows.

    Args:
        members: Networks in the mixture.
        parameters: Dimensions of the cube P.
        inputs: Numbers that describe one observation, its samples left out.
        features: How many of the first ``inputs`` may be undefined.
        transforms: Spline layers.
        bins: Bins of each spline.
        hidden: Units of each of the two hidden layers.
        embedding: Numbers that an extra network condenses the observation to.
        sweeps: Sampled sweeps S of one observation, which follow its ``inputs``.
        samples: Samples L of each.
        units: Units of the recurrent network that sums them up.
        stride: Samples that it takes in at a time.
    """

    members: int
    parameters: int
    inputs: int
    features: int
    transforms: int = 3
    bins: int = 8
    hidden: int = 64
    embedding: int = 32
    sweeps: int = 0
    samples: int = 0
    units: int = 0
    stride: int = 1


def _numbers(bins: int) -> int:
    """Numbers that one layer needs for one parameter."""
    return _shifts.PARAMETERS + _splines.parameters(bins)


def _linear(rng: np.random.Generator, shape: Shape, rows: int, columns: int, scale: float) -> Array:
    bound = scale / np.sqrt(rows)
    return rng.uniform(-bound, bound, (shape.members, rows, columns)).astype(np.float32)


def initial(shape: Shape, seed: np.random.SeedSequence) -> dict[str, Array]:
    """Weights of untrained flows, by name, each with the members along its first axis.

    Args:
        shape: Size of the flows.
        seed: Source of all that is random in them.
    """
    rng = np.random.default_rng(seed)
    k, hidden, wide = shape.members, shape.hidden, shape.inputs + shape.embedding
    weights = {"missing": np.zeros((k, 1, shape.features), np.float32)}
    summed = _recurrent.outputs(shape.units) if shape.sweeps else 0
    sizes = {"embed.0": (shape.inputs + summed, hidden), "embed.1": (hidden, hidden)}
    sizes["embed.2"] = (hidden, shape.embedding)
    for t in range(shape.transforms):
        sizes[f"flow.{t}.0"] = (shape.parameters + wide, hidden)
        sizes[f"flow.{t}.1"] = (hidden, hidden)
        sizes[f"flow.{t}.2"] = (hidden, shape.parameters * _numbers(shape.bins))
    for name, (rows, columns) in sizes.items():
        last = name.startswith("flow") and name.endswith("2")
        weights[f"{name}.weight"] = _linear(rng, shape, rows, columns, 0.1 if last else 1.0)
        weights[f"{name}.bias"] = np.zeros((k, 1, columns), np.float32)
    for name, (rows, columns) in (_recurrent.sizes(shape.units, shape.stride) if shape.sweeps else {}).items():
        gain = 1.0 if name == _recurrent.STATE else 2.0
        weights[f"{name}.weight"] = _linear(rng, shape, rows, columns, gain)
        weights[f"{name}.bias"] = np.zeros((k, 1, columns), np.float32)
    ranks = [[rng.permutation(shape.parameters) for _ in range(shape.transforms)] for _ in range(k)]
    weights["rank"] = np.array(ranks, dtype=np.int64)
    return weights


def _masks(rank: Array, shape: Shape) -> list[Array]:
    """Which weights of one layer keep its order: three arrays with the members first."""
    wide, count = shape.inputs + shape.embedding, _numbers(shape.bins)
    degree = np.arange(shape.hidden) % shape.parameters
    masks = [[], [], []]
    for own in rank:
        context = np.ones((wide, shape.hidden))
        masks[0].append(np.concatenate([own[:, None] < degree[None], context]))
        masks[1].append(degree[:, None] <= degree[None])
        masks[2].append(np.repeat(degree[:, None] <= own[None], count, axis=1))
    return [np.array(mask, dtype=np.float32) for mask in masks]


class Flows(torch.nn.Module):
    """K conditional densities on the unit cube.

    Args:
        shape: Size of the flows.
        weights: Arrays by name, as ``initial`` makes and ``weights`` returns them.
        known: Known input at every sample, shape ``(S, L)``.
    """

    def __init__(self, shape: Shape, weights: Mapping[str, Array], known: Array = _NONE) -> None:
        super().__init__()
        self.register_buffer("known", torch.tensor(known, dtype=torch.float32), persistent=False)
        self.shape = shape
        self.rank = np.asarray(weights["rank"])
        self.names = sorted(name for name in weights if name != "rank")
        self.values = torch.nn.ParameterList(torch.tensor(weights[name]) for name in self.names)
        self._where = {name: i for i, name in enumerate(self.names)}
        for t in range(shape.transforms):
            for layer, mask in enumerate(_masks(self.rank[:, t], shape)):
                self.register_buffer(f"mask_{t}_{layer}", torch.tensor(mask), persistent=False)

    def weights(self) -> dict[str, Array]:
        """All weights as arrays, by name."""
        arrays = {name: self.values[i].detach().cpu().numpy().copy() for i, name in enumerate(self.names)}
        return arrays | {"rank": self.rank}

    def _value(self, name: str, member: slice) -> Tensor:
        return self.values[self._where[name]][member]

    def _layer(self, name: str, member: slice) -> tuple[Tensor, Tensor]:
        return self._value(f"{name}.weight", member), self._value(f"{name}.bias", member)

    def context(self, x: Tensor, member: slice = slice(None)) -> Tensor:
        """What the flows are conditioned on.

        Args:
            x: Standardised observations, shape ``(K, B, inputs + S L)``; NaN where a feature is undefined.
            member: Members that it is for.

        Returns:
            Context, shape ``(K, B, inputs + embedding)``.
        """
        shape, cut = self.shape, self.shape.features
        samples = x[..., shape.inputs :]
        features = torch.where(torch.isnan(x[..., :cut]), self._value("missing", member), x[..., :cut])
        x = h = torch.cat((features, x[..., cut : shape.inputs]), dim=-1)
        if shape.sweeps:
            samples = samples.unflatten(-1, (shape.sweeps, shape.samples))
            summed = _recurrent.summary(samples, self.known, lambda name: self._layer(name, member), shape.stride)
            h = torch.cat((x, summed), dim=-1)
        for layer in range(3):
            name = f"embed.{layer}"
            h = torch.baddbmm(self._value(f"{name}.bias", member), h, self._value(f"{name}.weight", member))
            h = torch.nn.functional.silu(h) if layer < 2 else h
        return torch.cat((x, h), dim=-1)

    def _raw(self, t: int, u: Tensor, context: Tensor, member: slice, columns: slice = slice(None)) -> Tensor:
        """Spline parameters of one layer, shape ``(K, B, columns)``."""
        h = torch.cat((u, context), dim=-1)
        for layer in range(3):
            name = f"flow.{t}.{layer}"
            weight = self._value(f"{name}.weight", member) * getattr(self, f"mask_{t}_{layer}")[member]
            bias = self._value(f"{name}.bias", member)
            if layer == 2:
                return torch.baddbmm(bias[..., columns], h, weight[..., columns])
            h = torch.nn.functional.silu(torch.baddbmm(bias, h, weight))
        raise AssertionError

    def log_prob(self, u: Tensor, context: Tensor, member: slice = slice(None)) -> Tensor:
        """Log density of each member, shape ``(K, B)``.

        Args:
            u: Points of the cube, shape ``(K, B, P)``.
            context: What ``context`` made of their observations.
            member: Members to evaluate.
        """
        total = torch.zeros(u.shape[:2], dtype=u.dtype, device=u.device)
        for t in range(self.shape.transforms):
            raw = self._raw(t, 2 * u - 1, context, member).unflatten(-1, (self.shape.parameters, -1))
            u, moved = _shifts.forward(u, raw[..., : _shifts.PARAMETERS])
            u, bent = _splines.forward(u, raw[..., _shifts.PARAMETERS :], self.shape.bins)
            total = total + (moved + bent).sum(dim=-1)
        return total

    @torch.no_grad()
    def invert(self, z: Tensor, context: Tensor, k: int) -> Tensor:
        """Points of the cube that one member maps to ``z``.

        Args:
            z: Uniform points, shape ``(B, P)``.
            context: Context of each, shape ``(B, C)``.
            k: The member.
        """
        member, count = slice(k, k + 1), _numbers(self.shape.bins)
        for t in reversed(range(self.shape.transforms)):
            u = torch.full_like(z, 0.5)
            for p in np.argsort(self.rank[k, t]):
                columns = slice(int(p) * count, (int(p) + 1) * count)
                raw = self._raw(t, 2 * u[None] - 1, context[None], member, columns)[0]
                bent = _splines.inverse(z[:, p], raw[..., _shifts.PARAMETERS :], self.shape.bins)
                u[:, p] = _shifts.inverse(bent, raw[..., : _shifts.PARAMETERS])
            z = u
        return z
