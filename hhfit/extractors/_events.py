"""Where spikes begin, peak, end and what minimum follows, as sample numbers.

Definitions of eFEL 5.7: ``peak_indices``, ``min_AHP_indices``, ``AP_begin_indices``,
``AP_end_indices``; every function fills an array and returns how many it found.
"""

import numpy as np

from hhfit.arrays import Array
from hhfit.extractors._jit import jit
from hhfit.extractors._slots import Rules, Train, Window


@jit
def threshold_peaks(v: Array, threshold: float, peaks: Array) -> int:
    """The maximum between each upward crossing of the threshold and the downward one it pairs with.

    A sample that equals the threshold is part of no crossing, so that pairs may shift, as in eFEL.
    """
    ups, downs = np.empty(v.size, np.int64), np.empty(v.size, np.int64)
    n_ups = n_downs = count = 0
    for i in range(1, v.size):
        if v[i] > threshold and v[i - 1] < threshold:
            ups[n_ups] = i
            n_ups += 1
        elif v[i] < threshold and v[i - 1] > threshold and n_ups:
            downs[n_downs] = i
            n_downs += 1
    for k in range(min(n_ups, n_downs)):
        if downs[k] >= ups[k]:
            peaks[count] = first_highest(v, ups[k], downs[k] + 1)
            count += 1
    return count


@jit
def first_highest(v: Array, start: int, stop: int) -> int:
    """The first of the highest samples in a stretch."""
    best = start
    for i in range(start + 1, stop):
        if v[i] > v[best]:
            best = i
    return best


@jit
def first_lowest(v: Array, start: int, stop: int) -> int:
    """The first of the lowest samples in a stretch; its start if the stretch is empty."""
    best = start
    for i in range(start + 1, stop):
        if v[i] < v[best]:
            best = i
    return best


@jit
def keep_inside(peaks: Array, count: int, t: Array, window: Window) -> int:
    """Move the peaks inside the window to the front."""
    kept = 0
    for i in range(count):
        if window.start <= t[peaks[i]] <= window.stop:
            peaks[kept] = peaks[i]
            kept += 1
    return kept


@jit
def _first_minimum(v: Array, start: int, stop: int) -> int:
    """The first minimum that two samples in a row do not undercut, else the lowest sample."""
    lowest = start
    above = 0
    for i in range(start + 1, stop):
        if v[i] < v[lowest]:
            lowest, above = i, 0
        else:
            above += 1
        if above == 2:
            break
    return lowest


@jit
def find_minima(v: Array, peaks: Array, end: int, minima: Array) -> int:
    """The first minimum after each peak; none after the last if it lies at the very end."""
    count = 0
    for i in range(peaks.size):
        stop = peaks[i + 1] if i + 1 < peaks.size else end
        lowest = _first_minimum(v, peaks[i], stop) if stop > peaks[i] else stop
        if lowest != end - 1 and lowest < v.size:
            minima[count] = lowest
            count += 1
    return count


@jit
def find_lowest(v: Array, peaks: Array, end: int, lowest: Array) -> int:
    """The lowest sample between each peak and the next, or the end."""
    for i in range(peaks.size):
        lowest[i] = first_lowest(v, peaks[i], peaks[i + 1] if i + 1 < peaks.size else end)
    return peaks.size


@jit
def slope(v: Array, t: Array, i: int) -> float:
    """Central difference dV/dt [V/s]; one-sided at the ends."""
    if i == 0:
        return (v[1] - v[0]) / (t[1] - t[0])
    if i == v.size - 1:
        return (v[i] - v[i - 1]) / (t[i] - t[i - 1])
    return ((v[i + 1] - v[i - 1]) / 2) / ((t[i + 1] - t[i - 1]) / 2)


@jit
def find_begins(train: Train, window: Window, rules: Rules, begins: Array) -> int:
    """Where dV/dt last rises above its threshold, for some samples, before each peak."""
    v, t, peaks, minima = train.v, train.t, train.peaks, train.minima
    earlier = max(window.first - 2, 0)
    count = 0
    low = 0  # of the minima that lie inside the window
    while low < minima.size and minima[low] <= window.first:
        low += 1
    first_peak = 0
    while first_peak < peaks.size and peaks[first_peak] <= window.first:
        first_peak += 1
    if 1 + minima.size - low < peaks.size - first_peak:
        return 0
    for i in range(first_peak, peaks.size):
        floor = earlier if i == first_peak else minima[low + i - first_peak - 1]
        begin = _begin(v, t, floor, peaks[i], rules)
        if begin >= 0:
            begins[count] = begin
            count += 1
    return count


@jit
def _begin(v: Array, t: Array, floor: int, peak: int, rules: Rules) -> int:
    threshold, width = rules.DerivativeThreshold, rules.DerivativeWindow
    stop = peak
    while True:
        begin = stop
        while begin > floor and slope(v, t, begin - 1) > threshold:
            begin -= 1
        begin = min(begin, v.size - width)
        if begin <= floor:
            return -1
        steep = True
        for i in range(begin, begin + width):
            steep &= not slope(v, t, i) < threshold
        if steep:
            return begin
        stop = begin - 1


@jit
def find_ends(v: Array, t: Array, peaks: Array, first: int, threshold: float, ends: Array) -> int:
    """Where dV/dt rises above a negative threshold again after the steepest fall of each spike."""
    count = 0
    for i in range(peaks.size):
        if peaks[i] <= first:
            continue
        start = peaks[i] + 1
        stop = peaks[i + 1] if i + 1 < peaks.size else v.size - 1
        steepest, least = start, 0.0
        for j in range(start, stop):
            here = slope(v, t, j)
            if j == start or here < least:
                steepest, least = j, here
        for j in range(steepest, stop):
            if slope(v, t, j) >= threshold:
                ends[count] = j
                count += 1
                break
    return count
