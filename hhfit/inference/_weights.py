"""Importance weights: how many draws they are worth, and how heavy their tail is."""

import numpy as np

from hhfit.arrays import Array

POOR_TAIL = 0.7
"""Pareto k above which importance weights are not to be trusted (Vehtari et al. 2024)."""


def effective(weight: Array) -> float:
    """Number of equal draws that weighted ones are worth.

    Example:
        >>> effective(np.array([1.0, 1.0, 0.0, 0.0]))
        2.0
    """
    total = weight.sum()
    return float(total**2 / (weight**2).sum()) if total > 0 else 0.0


def pareto_k(weight: Array) -> float:
    """Shape of the generalised Pareto distribution of the largest weights; above 0.7 the tail is too heavy.

    Source:
        Zhang & Stephens 2009, Technometrics 51:316; tail length and weak prior of Vehtari et al. 2024 (PSIS).
    """
    ordered = np.sort(weight)
    n = int(min(0.2 * len(weight), 3 * np.sqrt(len(weight))))
    tail = ordered[-n:] - ordered[-n - 1] if n >= 5 else np.zeros(0)
    tail = tail[tail > 0]
    n = len(tail)
    if n < 5:
        return 0.0
    grid = 30 + int(np.sqrt(n))
    theta = 1 / tail[-1] + (1 - np.sqrt(grid / (np.arange(grid) + 0.5))) / (3 * tail[int(n / 4 + 0.5) - 1])
    k = np.log1p(-theta[:, None] * tail).mean(axis=1)
    profile = n * (np.log(-theta / k) - k - 1)
    chance = np.exp(profile - profile.max())
    best = (theta * chance).sum() / chance.sum()
    return float((n * np.log1p(-best * tail).mean() + 10 * 0.5) / (n + 10))


def truncated(weight: Array) -> Array:
    """Weights of mean 1, none above the square root of their number.

    Source:
        Ionides 2008, J Comput Graph Stat 17:295.
    """
    weight = weight / weight.mean()
    weight = np.minimum(weight, np.sqrt(len(weight)))
    return weight / weight.mean()
