"""Lists of the potential beside the spikes: base, deflection, sag, time constants (eFEL 5.7)."""

import numpy as np

from hhfit.arrays import Array
from hhfit.extractors._jit import jit
from hhfit.extractors._slots import Lists, Rules, Slot, Window
from hhfit.extractors._train import emit

_FLATTEST = 5e-3  # V/s: a decay is steeper than this
_FLAT = 70.0  # ms: a plateau is flat for this long
_GOLDEN = 1.618033988
_SHORTEST = 10  # samples of a decay


@jit
def voltage_base(v: Array, t: Array, window: Window, rules: Rules) -> float:
    """Mean potential just before the stimulus [mV]; NaN if there is nothing before it."""
    start, stop = window.start * rules.voltage_base_start_perc, window.start * rules.voltage_base_end_perc
    if start >= stop:
        return np.nan
    first = np.searchsorted(t, start)
    last = min(np.searchsorted(t, stop) + 2, v.size - 1)
    while last > 0 and t[last] - stop >= rules.precision_threshold:
        last -= 1
    return v[first : last + 1].mean() if first <= last else np.nan


@jit
def list_levels(v: Array, t: Array, base: float, window: Window, lists: Lists) -> None:
    """Mean potentials before the stimulus, late in it and after it."""
    stop = window.stop
    emit(lists, Slot.VOLTAGE_BASE, base)
    late = np.searchsorted(t, stop - 0.1 * (stop - window.start))
    if window.end > late:
        emit(lists, Slot.STEADY_STATE_VOLTAGE_STIMEND, v[late : window.end].mean())
    beyond = np.searchsorted(t, stop, side="right")
    if beyond < v.size:
        emit(lists, Slot.STEADY_STATE_VOLTAGE, v[beyond:].mean())
    if window.end >= 35:
        emit(lists, Slot.STEADY_STATE_HYPER, v[window.end - 35 : window.end - 5].mean())
    rest = t[-1] - stop
    first, last = np.searchsorted(t, stop + rest * 0.25), np.searchsorted(t, stop + rest * 0.75, side="right")
    if first < v.size:
        emit(lists, Slot.VOLTAGE_AFTER_STIM, v[first : max(last, first) + 1].mean())


@jit
def list_extremes(v: Array, t: Array, window: Window, lists: Lists) -> None:
    """Highest and lowest potential during the stimulus."""
    stop = window.stop
    if window.start <= t[-1] and min(stop, t[-1]) > t[window.first]:
        end = np.searchsorted(t, min(stop, t[-1]))
        high = low = v[window.first]
        for i in range(window.first, end):
            high, low = max(high, v[i]), min(low, v[i])
        emit(lists, Slot.MAXIMUM_VOLTAGE, high)
        emit(lists, Slot.MINIMUM_VOLTAGE, low)


@jit
def list_deflections(v: Array, t: Array, window: Window, lists: Lists) -> None:
    """How far the stimulus moves the potential from the mean before it, and input resistance."""
    if window.first == 0:
        return
    before = v[: window.first].mean()
    beyond = np.searchsorted(t, window.stop, side="right")
    if 10 <= beyond < v.size:
        deflection = v[beyond - 10 : beyond - 5].mean() - before
        emit(lists, Slot.VOLTAGE_DEFLECTION, deflection)
        emit(lists, Slot.OHMIC_INPUT_RESISTANCE, deflection / window.current if window.current else np.nan)
    early = window.start + (window.stop - window.start) * 0.05
    first = np.searchsorted(t, early, side="right")
    last = np.searchsorted(t, early + (window.stop - window.start) * 0.1, side="right")
    if last > first:
        emit(lists, Slot.VOLTAGE_DEFLECTION_BEGIN, v[first:last].mean() - before)


@jit
def list_sag(base: float, window: Window, lists: Lists) -> None:
    """Deflection from the base, and how far the potential comes back from its minimum."""
    values, counts = lists.values, lists.counts
    if counts[Slot.MAXIMUM_VOLTAGE]:
        emit(lists, Slot.MAXIMUM_VOLTAGE_FROM_VOLTAGEBASE, values[Slot.MAXIMUM_VOLTAGE, 0] - base)
    if not counts[Slot.STEADY_STATE_VOLTAGE_STIMEND]:
        return
    steady = values[Slot.STEADY_STATE_VOLTAGE_STIMEND, 0]
    deflection = steady - base
    emit(lists, Slot.VOLTAGE_DEFLECTION_VB_SSSE, deflection)
    emit(lists, Slot.OHMIC_INPUT_RESISTANCE_VB_SSSE, deflection / window.current if window.current else np.nan)
    if not counts[Slot.MINIMUM_VOLTAGE]:
        return
    minimum = values[Slot.MINIMUM_VOLTAGE, 0]
    differs = minimum != base
    emit(lists, Slot.SAG_RATIO2, (base - steady) / (base - minimum) if differs else np.nan)
    if deflection <= 0:
        emit(lists, Slot.SAG_AMPLITUDE, steady - minimum)
        emit(lists, Slot.SAG_RATIO1, (steady - minimum) / (base - minimum) if differs else np.nan)


@jit
def _fit(v: Array, t: Array, offset: float) -> tuple[float, float]:
    """Straight line through ``log(v - offset)``.

    Returns:
        Its slope, and the squared residuals over the squared range of the logarithm.
    """
    n = v.size
    sum_t = sum_y = sum_tt = sum_ty = 0.0
    low, high = np.inf, -np.inf
    for i in range(n):
        y = np.log(v[i] - offset)
        sum_t, sum_y = sum_t + t[i], sum_y + y
        sum_tt, sum_ty = sum_tt + t[i] * t[i], sum_ty + t[i] * y
        low, high = min(low, y), max(high, y)
    inclination = (n * sum_ty - sum_t * sum_y) / (n * sum_tt - sum_t * sum_t)
    level = (sum_y - inclination * sum_t) / n
    residuals = 0.0
    for i in range(n):
        residuals += (np.log(v[i] - offset) - level - inclination * t[i]) ** 2
    return inclination, residuals / ((high - low) * (high - low))


@jit
def _distance_slope(v: Array, t: Array, level: float) -> float:
    """Slope of ``log |v - level|``; NaN if the potential touches the level."""
    n = v.size
    sum_t = sum_y = sum_tt = sum_ty = 0.0
    for i in range(n):
        y = np.log(abs(v[i] - level))
        sum_t, sum_y = sum_t + t[i], sum_y + y
        sum_tt, sum_ty = sum_tt + t[i] * t[i], sum_ty + t[i] * y
    return (n * sum_ty - sum_t * sum_y) / (n * sum_tt - sum_t * sum_t)


@jit
def list_decays(v: Array, t: Array, window: Window, lists: Lists) -> None:
    """Time constants of the decay from 1 to 10 ms after the stimulus, and of the sag."""
    first, last = np.searchsorted(t, window.stop + 1.0), np.searchsorted(t, window.stop + 10.0)
    if last > first and window.first < v.size:
        inclination = _distance_slope(v[first:last], t[first:last], v[window.first])
        emit(lists, Slot.DECAY_TIME_CONSTANT_AFTER_STIM, abs(1.0 / inclination))
    if not lists.counts[Slot.SAG_AMPLITUDE]:
        return
    steady = lists.values[Slot.STEADY_STATE_VOLTAGE_STIMEND, 0] - 0.1 * lists.values[Slot.SAG_AMPLITUDE, 0]
    first = 0
    while first < v.size and v[first] > lists.values[Slot.MINIMUM_VOLTAGE, 0]:
        first += 1
    last = first
    while last < v.size and v[last] < steady:
        last += 1
    if last < v.size and last - first >= _SHORTEST:
        inclination = _distance_slope(v[first:last], t[first:last], v[last])
        emit(lists, Slot.SAG_TIME_CONSTANT, abs(1.0 / inclination))


@jit
def list_time_constant(v: Array, t: Array, window: Window, lists: Lists) -> None:
    """Time constant of the first half of a hyperpolarising step: an exponential above a plateau.

    The plateau is the one, within 5 mV below the last point, that makes the logarithm of the
    decay straightest; it is searched by golden section.
    """
    first = window.first + 10
    middle = max(np.searchsorted(t, (window.start + window.stop) / 2.0), first)
    if middle >= v.size or middle - first < 5:
        return
    part_v, part_t = v[first:middle], t[first:middle]
    rate = np.empty(part_v.size)
    for i in range(rate.size):
        rate[i] = _stencil(part_v, i) / _stencil(part_t, i)
    start = steep = 0
    while steep < 5:  # in a row
        if start + steep == rate.size:
            return
        steep += 1
        if rate[start + steep - 1] > -_FLATTEST:
            start, steep = start + steep, 0
    flat = start
    while t[flat + first] < t[middle] - _FLAT and not _is_flat(rate, part_t, flat):
        flat += 1
    if flat - start < _SHORTEST:
        return
    emit(lists, Slot.TIME_CONSTANT, _golden_section(part_v[start:flat], part_t[start:flat]))


@jit
def _is_flat(rate: Array, t: Array, i: int) -> bool:
    if rate[i] + _FLATTEST <= 0:
        return False
    last = i
    total = 0.0
    while last < t.size and t[last] - t[i] < _FLAT:
        total += rate[last]
        last += 1
    return total / (last - i) + _FLATTEST > 0


@jit
def _stencil(x: Array, i: int) -> float:
    """Five-point derivative per sample, of lower order at the ends."""
    if i in (0, x.size - 1):
        j = max(i, 1)
        return x[j] - x[j - 1]
    if i in (1, x.size - 2):
        return (x[i + 1] - x[i - 1]) / 2.0
    return (-x[i + 2] + 8 * x[i + 1] - 8 * x[i - 1] + x[i - 2]) / 12.0


@jit
def _golden_section(v: Array, t: Array) -> float:
    low, high = 0.0, _FLATTEST * 1000.0
    middle = (low * _GOLDEN + high) / (1.0 + _GOLDEN)
    inclination, best = _fit(v, t, v[-1] - middle)
    right = True
    while high - low > 0.01:
        trial = (middle * _GOLDEN + high) / (1.0 + _GOLDEN) if right else (low + _GOLDEN * middle) / (1.0 + _GOLDEN)
        inclination, residuals = _fit(v, t, v[-1] - trial)
        if residuals < best:
            low, high = (middle, high) if right else (low, middle)
            middle, best = trial, residuals
        else:
            low, high = (low, trial) if right else (trial, high)
            right = not right
    return -1.0 / inclination


@jit
def list_steepest(v: Array, t: Array, lists: Lists) -> None:
    """The steepest rise from one grid point to the next in the whole sweep."""
    steepest = -np.inf
    for i in range(1, v.size):
        steepest = max(steepest, (v[i] - v[i - 1]) / (t[i] - t[i - 1]))
    emit(lists, Slot.PHASESLOPE_MAX, steepest)
