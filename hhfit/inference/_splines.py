"""Monotonic rational-quadratic splines of the unit interval onto itself.

Unlike zuko's ``MonotonicRQSTransform`` the derivatives at both ends are free: with ends fixed at 1 the density at the
edge of the prior could only be the prior's own, but posteriors of conductances often pile up there.
"""

import torch
from torch import Tensor

_SOFT = 3.5
"""Unconstrained sizes are squashed softly to plus or minus this: no bin is narrower than about 1e-4."""


def parameters(bins: int) -> int:
    """Number of parameters of one spline."""
    return 3 * bins + 1


def knots(raw: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Horizontal and vertical knots and derivatives, each of shape ``(..., bins + 1)``.

    Args:
        raw: Unconstrained parameters, shape ``(..., 3 bins + 1)``; zeros give the identity.
        bins: Number of bins.
    """
    sizes = raw[..., : 2 * bins].unflatten(-1, (2, bins))
    sizes = torch.exp(sizes / (1 + sizes.abs() / _SOFT))
    corners = sizes @ torch.ones(bins, bins + 1, dtype=raw.dtype, device=raw.device).triu(1)
    corners = corners / corners[..., -1:]
    slope = raw[..., 2 * bins :]
    slope = torch.exp(slope / (1 + slope.abs() / (2 * _SOFT)))
    return corners[..., 0, :], corners[..., 1, :], slope


def _bin(at: Tensor, horizontal: Tensor, vertical: Tensor, slope: Tensor, seek: Tensor) -> tuple[Tensor, ...]:
    left = (seek[..., 1:-1] <= at[..., None]).sum(dim=-1, keepdim=True)
    both = torch.cat((left, left + 1), dim=-1)
    x = horizontal.gather(-1, both)
    y = vertical.gather(-1, both)
    d = slope.gather(-1, both)
    return x[..., 0], x[..., 1] - x[..., 0], y[..., 0], y[..., 1] - y[..., 0], d[..., 0], d[..., 1]


def forward(u: Tensor, raw: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """Values of the splines at ``u``, and the logarithms of their derivatives there.

    Args:
        u: Points of the unit interval, shape ``(...)``.
        raw: Unconstrained parameters, shape ``(..., 3 bins + 1)``.
        bins: Number of bins.

    Source:
        Durkan et al. 2019 (arXiv 1906.04032), equations 4 and 5.
    """
    horizontal, vertical, slope = knots(raw, bins)
    x0, width, y0, height, d0, d1 = _bin(u, horizontal, vertical, slope, horizontal)
    z = ((u - x0) / width).clamp(0.0, 1.0)
    s = height / width
    both = z * (1 - z)
    below = s + (d0 + d1 - 2 * s) * both
    value = y0 + height * (s * z**2 + d0 * both) / below
    derivative = s**2 * (d1 * z**2 + 2 * s * both + d0 * (1 - z) ** 2) / below**2
    return value.clamp(0.0, 1.0), torch.log(derivative)


def inverse(v: Tensor, raw: Tensor, bins: int) -> Tensor:
    """Points of the unit interval where the splines take the values ``v``.

    Source:
        Durkan et al. 2019, equations 6 to 8.
    """
    horizontal, vertical, slope = knots(raw, bins)
    x0, width, y0, height, d0, d1 = _bin(v, horizontal, vertical, slope, vertical)
    s, rest = height / width, v - y0
    a = height * (s - d0) + rest * (d0 + d1 - 2 * s)
    b = height * d0 - rest * (d0 + d1 - 2 * s)
    c = -s * rest
    z = 2 * c / (-b - torch.sqrt((b**2 - 4 * a * c).clamp(min=0.0)))
    return (x0 + width * z.clamp(0.0, 1.0)).clamp(0.0, 1.0)
