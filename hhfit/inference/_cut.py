"""Gaussians cut off at a box: their mass inside it, and draws that lie inside."""

import numpy as np
import torch
from torch import Tensor

from hhfit.arrays import Array
from hhfit.inference._gaussians import Gaussians

_FAR = 1e9
"""Stands for a bound at infinity."""
_DEEP = -30.0
"""Log probability below which a draw is put at the bound: it would be 7.5 sds outside."""


def cut(mean: Tensor, factor: Tensor, bounds: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Draws inside a box, one parameter after the other, and weights whose mean is the Gaussian's mass there.

    The last parameter is drawn from its own normal distribution within its bounds, every other one given those drawn.
    Without correlation all weights are the mass itself.

    Args:
        mean: Means, shape ``(..., P)``.
        factor: Upper triangular factors U of the precision U'U, shape ``(..., P, P)``.
        bounds: Lower and upper bounds, shape ``(2, P)``; may be infinite.
        uniform: Uniform numbers, one row per draw, shape ``(R, P)`` or ``(..., R, P)``.

    Returns:
        Points, shape ``(..., R, P)``, and log weights, shape ``(..., R)``.

    Source:
        Geweke 1991, Hajivassiliou & McFadden 1998, Keane 1994 (the GHK simulator).
    """
    mean, factor, uniform = mean.double()[..., None, :], factor.double()[..., None, :, :], uniform.double()
    bounds = bounds.double().clamp(-_FAR, _FAR)
    size = mean.shape[-1]
    away: list[Tensor] = []
    total = torch.zeros(1, dtype=torch.double)
    for p in reversed(range(size)):
        after = torch.stack(away, dim=-1) if away else uniform[..., :0]
        ahead = (factor[..., p, p + 1 :] * after).sum(dim=-1)
        root, low, high = factor[..., p, p], bounds[0, p] - mean[..., p], bounds[1, p] - mean[..., p]
        z, mass = _between(root * low + ahead, root * high + ahead, uniform[..., p])
        total = total + mass
        away.insert(0, torch.minimum(torch.maximum((z - ahead) / root, low), high))
    return mean + torch.stack(away, dim=-1), total


def _between(a: Tensor, b: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Standard normal draws between bounds, and the log mass there; both tails are taken on the lower side."""
    flipped = a + b > 0
    a, b = torch.where(flipped, -b, a), torch.where(flipped, -a, b)
    below, up_to = torch.special.log_ndtr(a), torch.special.log_ndtr(b)
    share = torch.exp(below - up_to).clamp(max=1 - 1e-12)
    chance = torch.exp(up_to.clamp(min=_DEEP)) * (share + uniform * (1 - share))
    z = torch.special.ndtri(chance.clamp(min=np.exp(_DEEP) * 1e-2))
    return torch.where(flipped, -z, z), up_to + torch.log1p(-share)


def log_mass(mean: Tensor, factor: Tensor, bounds: Tensor, noise: torch.Generator | None, draws: int) -> Tensor:
    """Log mass of Gaussians inside a box, shape ``(...)``, by so many draws that fill the box evenly.

    Where draws disagree it is said to be larger than they tell: a few draws miss most of the mass of a Gaussian that
    only grazes the box, and a density divided by what they find would seem to be high there.

    Args:
        mean: Means, shape ``(..., P)``.
        factor: Upper triangular factors of the precision, shape ``(..., P, P)``.
        bounds: Lower and upper bounds, shape ``(2, P)``.
        noise: Source of the draws; the same ones every time without.
        draws: Their number R.
    """
    noise = noise or torch.Generator().manual_seed(0)
    size = mean.shape[-1]
    order = torch.argsort(torch.rand((draws, size), generator=noise), dim=0)
    uniform = (order + torch.rand((draws, size), generator=noise)) / draws
    weight = cut(mean, factor, bounds, uniform)[1]
    return torch.logsumexp(weight, dim=-1) - np.log(draws) + weight.var(dim=-1) ** 2


def draw(density: Gaussians, bounds: Array, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Points of a box ``(n, P)`` and log weights ``(n,)`` that make them draws from a mixture; their mean is its mass.

    Args:
        density: The mixture.
        bounds: Lower and upper bounds, shape ``(2, P)``.
        n: How many.
        rng: Source of randomness.
    """
    part = rng.choice(len(density.weight), n, p=density.weight)
    factor = np.linalg.cholesky(density.precision).transpose(0, 2, 1)[part]
    if np.isfinite(density.freedom):
        factor = factor * np.sqrt(rng.chisquare(density.freedom, n) / density.freedom)[:, None, None]
    uniform = rng.random((n, 1, density.mean.shape[1]))
    with torch.no_grad():
        given = (torch.tensor(value) for value in (density.mean[part], factor, bounds, uniform))
        points, weight = cut(*given)
    return points[:, 0].numpy(), weight[:, 0].numpy()
