"""Shift and stretch of the unit interval onto itself, on the scale of normal scores.

A normal posterior under a normal prior, or a narrow one under any prior, is the uniform distribution shifted and
stretched on this scale: two numbers, which a network learns from few simulations. Splines alone keep some of the
prior's density in tails where few simulations fall, and the posterior's variance comes out too large.
"""

from math import log
from statistics import NormalDist

import torch
from torch import Tensor
from torch.special import ndtr, ndtri

PARAMETERS = 2
"""Number of parameters of one shift and stretch."""

_EDGE = 1e-4
_TOP = NormalDist().inv_cdf(1 - _EDGE)
"""The scale ends at plus or minus this, so that the density at the edges stays finite."""

_SOFT = 3.5
"""Logarithms of stretches are squashed softly to plus or minus this."""

_REACH = 10.0
"""How far an unconstrained parameter reaches: places are found in fewer steps than the shape of the splines."""


def _where(raw: Tensor) -> tuple[Tensor, ...]:
    """Shift, logarithm of the stretch and one over it, probability below the lower end and between both ends."""
    shift, stretch = (_REACH * raw).unbind(dim=-1)
    # a shift beyond the ends would leave a difference of probabilities that single precision cannot hold
    shift = shift / (1 + shift.abs() / _TOP)
    stretch = stretch / (1 + stretch.abs() / _SOFT)
    scale = torch.exp(-stretch)
    low = ndtr((-_TOP - shift) * scale)
    return shift, stretch, scale, low, ndtr((_TOP - shift) * scale) - low


def forward(u: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    """Values at ``u``, and the logarithms of their derivatives there.

    Args:
        u: Points of the unit interval, shape ``(...)``.
        raw: Unconstrained parameters, shape ``(..., 2)``; zeros give the identity.
    """
    shift, stretch, scale, low, width = _where(raw)
    score = ndtri(_EDGE + (1 - 2 * _EDGE) * u.clamp(0.0, 1.0))
    moved = (score - shift) * scale
    slope = (score**2 - moved**2) / 2 - stretch - torch.log(width) + log(1 - 2 * _EDGE)
    return ((ndtr(moved) - low) / width).clamp(0.0, 1.0), slope


def inverse(v: Tensor, raw: Tensor) -> Tensor:
    """Points of the unit interval that are mapped to ``v``."""
    shift, stretch, _, low, width = _where(raw)
    share = low + v * width
    limits = torch.finfo(share.dtype)
    score = ndtri(share.clamp(limits.tiny, 1 - limits.eps)) * torch.exp(stretch) + shift
    return ((ndtr(score) - _EDGE) / (1 - 2 * _EDGE)).clamp(0.0, 1.0)
