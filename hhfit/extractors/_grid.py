"""The time grid on which eFEL computes, and the samples between which it interpolates."""

from typing import NamedTuple

import numpy as np

from hhfit.arrays import Array


class Grid(NamedTuple):
    """Points of a grid and where they lie among the samples.

    ``v = V[left] + (V[left + 1] - V[left]) / width * beyond``; past the last sample, its value.
    """

    t: Array
    left: Array
    beyond: Array
    width: Array


def grid(time: Array, step: float) -> Grid:
    """The grid of eFEL: from the first sample on in steps of ``step`` [ms], added one by one.

    The last point may lie beyond the last sample.

    Example:
        >>> grid(np.arange(5) * 0.25, 0.1).t.round(2).tolist()
        [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    """
    points = int(np.ceil((time[-1] - time[0]) / step))
    t = np.cumsum(np.r_[time[0], np.full(points, step)])
    if points and t[points - 1] >= time[-1]:
        t = t[:points]
    left = np.maximum(np.searchsorted(time, t) - 1, 0)
    left[np.searchsorted(time, t) == len(time)] = len(time) - 1
    right = np.minimum(left + 1, len(time) - 1)
    return Grid(t, left.astype(np.uint32), t - time[left], time[right] - time[left])
