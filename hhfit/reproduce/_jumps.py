"""Compiled loop of the Lotka-Volterra jump process."""

import numpy as np
from numba import njit

from hhfit.arrays import Array


@njit(cache=True)
def paths(theta: Array, seeds: Array) -> Array:
    """Populations of rates ``(N, 4)`` at times 0, 0.2, ..., 30, shape ``(N, 151, 2)``; NaN after 10,000 jumps."""
    out = np.full((len(theta), 151, 2), np.nan)
    for n in range(len(theta)):
        np.random.seed(seeds[n])
        now = 0.0
        predators, prey, after, jumps, stopped = 50.0, 100.0, 0.0, 0, False
        for k in range(151):
            while True:
                rates = theta[n] * np.array([predators * prey, predators, prey, predators * prey])
                total = rates.sum()
                if after == 0.0:
                    after = np.inf if total == 0.0 else -np.log(1.0 - np.random.random()) / total
                    after += now
                if after > 0.2 * k or stopped:
                    break
                now, after = after, 0.0
                jumps += 1
                stopped = jumps > 10_000
                which = np.random.random() * total
                if which < rates[0]:
                    predators += 1
                elif which < rates[0] + rates[1]:
                    predators -= 1
                elif which < rates[0] + rates[1] + rates[2]:
                    prey += 1
                else:
                    prey -= 1
            out[n, k, 0], out[n, k, 1] = predators, prey
        if stopped:
            out[n] = np.nan
    return out
