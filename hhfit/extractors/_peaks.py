"""Where the spikes of a trace are: the one rule for recordings and simulations alike.

A fixed threshold counts 135 spikes on a depolarised plateau that has 8 (recordings.md, PYR2);
a spike is therefore a maximum that stands out of what lies just before and just after it.
"""

import numba
import numpy as np

from hhfit.arrays import Array


@numba.njit(cache=True)
def find_peaks(potential: Array, prominence: float, reach: int, peaks: Array) -> int:
    """Find spikes by their prominence in one trace.

    The trace is cut into rises and falls of at least ``prominence`` (a fall ends where the next
    such rise begins), which gives the maxima of at least that prominence. Of these are kept the
    ones that rise and fall by it within ``reach`` samples, so that the slow charging and
    discharging of the membrane by a large step is no spike.

    Args:
        potential: Membrane potential [mV], shape ``(T,)``.
        prominence: Least rise before and fall after a spike [mV].
        reach: Samples within which it must rise and fall.
        peaks: Filled with the sample of each spike.

    Returns:
        Number of spikes.
    """
    count = 0
    rising = False
    low = high = potential[0]
    top = 0
    for i in range(1, potential.size):
        value = potential[i]
        if rising:
            if value > high:
                high, top = value, i
            elif value <= high - prominence:
                if _is_sharp(potential, top, prominence, reach) and count < peaks.size:
                    peaks[count] = top
                    count += 1
                rising, low = False, value
        elif value < low:
            low = value
        elif value >= low + prominence:
            rising, high, top = True, value, i
    return count


@numba.njit(cache=True)
def _is_sharp(potential: Array, top: int, prominence: float, reach: int) -> bool:
    least = potential[top] - prominence
    before = after = False
    for i in range(max(top - reach, 0), top):
        before |= potential[i] <= least
    for i in range(top + 1, min(top + reach + 1, potential.size)):
        after |= potential[i] <= least
    return before and after


def spike_samples(potential: Array, dt: float, prominence: float, reach: float) -> Array:
    """Sample of every spike of one trace.

    Args:
        potential: Membrane potential [mV], shape ``(T,)``.
        dt: Sampling step [ms].
        prominence: Least rise before and fall after a spike [mV].
        reach: Time within which it must rise and fall [ms].

    Example:
        >>> potential = np.r_[np.full(9, -70.0), -20.0, 30.0, -10.0, np.full(9, -75.0)]
        >>> spike_samples(potential, dt=0.5, prominence=20.0, reach=10.0)
        array([10])
    """
    peaks = np.empty(potential.size // 2 + 1, np.int64)
    found = find_peaks(np.ascontiguousarray(potential, float), prominence, round(reach / dt), peaks)
    return peaks[:found]
