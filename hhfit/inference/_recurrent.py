"""A summary of sampled sweeps by gated recurrent units, learned with the density.

Every member of an ensemble has its own network; one batched product serves all of them.
"""

from collections.abc import Callable

import torch
from torch import Tensor

SUMMARY = "sweep."
"""Names of its weights begin with this."""

STATE = "sweep.state"
"""Weights from one state to the next, which start smaller than the others."""


def sizes(units: int, stride: int) -> dict[str, tuple[int, int]]:
    """Rows and columns of its weights, by name."""
    return {
        "sweep.patch": (2 * stride, units),
        "sweep.input": (units, 3 * units),
        STATE: (units, 3 * units),
    }


def outputs(units: int) -> int:
    """Numbers that it makes of one observation."""
    return 2 * units + 1


def summary(samples: Tensor, inputs: Tensor, weight: Callable[[str], tuple[Tensor, Tensor]], stride: int) -> Tensor:
    """Average over sweeps of the last and the mean state of the units.

    A sweep with a NaN is left out of the average; the share of sweeps that are left is the last number.

    Args:
        samples: Scaled samples, shape ``(K, B, S, L)``.
        inputs: Known input at each sample, shape ``(S, L)``.
        weight: Gives weights ``(K, rows, columns)`` and bias ``(K, 1, columns)`` by name.
        stride: Samples that are taken in at a time.

    Returns:
        The summary, shape ``(K, B, 2 units + 1)``.

    Source:
        Cho et al. 2014 (arXiv 1406.1078), equations 5 to 8; sets as in Zaheer et al. 2017 (arXiv 1703.06114).
    """
    k, b, sweeps, length = samples.shape
    there = ~samples.isnan().any(dim=-1)
    pair = torch.stack((samples.nan_to_num(0.0), inputs.expand(k, b, -1, -1)), dim=-1)
    steps = -(-length // stride)
    pair = torch.nn.functional.pad(pair, (0, 0, 0, steps * stride - length))
    # time first: (K, steps, B S, 2 stride), so that the gates of one step are one block
    patches = pair.view(k, b * sweeps, steps, 2 * stride).transpose(1, 2).reshape(k, steps * b * sweeps, 2 * stride)
    taken = torch.nn.functional.silu(_affine(patches, *weight("sweep.patch")))
    gates = _affine(taken, *weight("sweep.input")).view(k, steps, b * sweeps, -1)
    last, mean = _run(gates, *weight(STATE))
    state = torch.cat((last, mean), dim=-1).view(k, b, sweeps, -1)
    share = there.to(state.dtype)
    pooled = (state * share[..., None]).sum(dim=2) / share.sum(dim=2, keepdim=True).clamp(min=1.0)
    return torch.cat((pooled, share.mean(dim=2, keepdim=True)), dim=-1)


def _affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.baddbmm(bias, x, weight)


def _run(gates: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Last and mean state, ``(K, B, units)``, given what the input adds to the gates ``(K, steps, B, 3 units)``."""
    units = weight.shape[1]
    state = gates.new_zeros(gates.shape[0], gates.shape[2], units)
    total = torch.zeros_like(state)
    for step in gates.unbind(dim=1):
        own = torch.baddbmm(bias, state, weight)
        both = torch.sigmoid(step[..., : 2 * units] + own[..., : 2 * units])
        reset, keep = both[..., :units], both[..., units:]
        new = torch.tanh(torch.addcmul(step[..., 2 * units :], reset, own[..., 2 * units :]))
        state = torch.lerp(new, state, keep)
        total = total + state
    return state, total / gates.shape[1]
