"""Where the spikes of a trace are: the one rule for recordings and simulations alike.

A fixed threshold counts 135 spikes on a depolarised plateau that has 8 (recordings.md, PYR2);
a spike is therefore a maximum that stands out of what lies just before and just after it.
"""

from hhfit.arrays import Array
from hhfit.extractors._jit import jit


@jit
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


@jit
def _is_sharp(potential: Array, top: int, prominence: float, reach: int) -> bool:
    least = potential[top] - prominence
    before = after = False
    for i in range(max(top - reach, 0), top):
        before |= potential[i] <= least
    for i in range(top + 1, min(top + reach + 1, potential.size)):
        after |= potential[i] <= least
    return before and after
