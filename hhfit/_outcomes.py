"""The kernel that names the outcome of traces; ``outcomes`` explains the limits."""

from typing import NamedTuple

import numba
import numpy as np

from hhfit.arrays import Array
from hhfit.traces import Status

_OK, _SILENT, _SPONTANEOUS, _BLOCK = (int(s) for s in (Status.OK, Status.SILENT, Status.SPONTANEOUS, Status.BLOCK))
_NOT_FINITE, _RUNAWAY = int(Status.NOT_FINITE), int(Status.RUNAWAY)
_DIVERGING, _SOLVER = int(Status.DIVERGING), int(Status.SOLVER)
_STRIDE, _RISE = 0.1, 2.0
"""Spikes and swings are looked for at this sampling [ms]; a spike rises within this time [ms]."""

_FALL, _SWING, _GROWTH = 10.0, 5.0, 0.5
"""A spike has ended [mV below its peak]; a turning point counts [mV]; a cycle grows by this at both ends [mV]."""

_CYCLES, _TURNS = 4, 6
_BEYOND, _WIDE = 3, 50.0
"""So many turning points, each so far from the one before [mV], lie beyond what ion channels can reach."""

_LEAST = 40.0
"""Shortest stimulus in which a block, and shortest time before it in which a drift, is looked for [ms]."""


class Numbers(NamedTuple):
    """The limits as numbers, by the names of ``outcomes.Limits``."""

    lowest: float
    highest: float
    floor: float
    ceiling: float
    zigzag: float
    drift: float
    rise: float
    peak: float
    plateau: float
    ripple: float
    still: float


class Stimulus(NamedTuple):
    """First sample of a stimulus, the one after its last, whether it depolarises, and the sampling step [ms]."""

    on: int
    off: int
    upward: bool
    dt: float


_jit = numba.njit(error_model="numpy", nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


@_jit
def _impossible(v: Array, lowest: float, highest: float) -> int:
    """How many samples lie outside, or are no numbers; one pass without a branch."""
    count = 0
    for i in range(v.size):
        count += not (v[i] >= lowest and v[i] <= highest)
    return count


@_jit
def _spikes(v: Array, stride: int, lag: int, rise: float, peak: float, times: Array) -> int:
    """Sample numbers of the spikes of one sweep, and how many there are."""
    count, top, armed = 0, -np.inf, True
    for i in range(lag, v.size, stride):
        if armed and v[i] > peak and v[i] - v[i - lag] >= rise:
            if count < times.size:
                times[count] = i
            count, top, armed = count + 1, v[i], False
        elif not armed:
            top = max(top, v[i])
            armed = v[i] < top - _FALL
    return min(count, times.size)


@_jit
def _grows(v: Array, stride: int, floor: float, ceiling: float) -> bool:
    """Whether an oscillation leaves what ion channels can reach: again and again, or growing over several cycles."""
    rising, extreme, turned = True, v[0], v[0]
    top = last_top = bottom = last_bottom = np.nan
    cycles = beyond = 0
    for i in range(0, v.size, stride):
        if (v[i] > extreme) == rising:
            extreme = v[i]
        elif abs(v[i] - extreme) > _SWING:
            if rising:
                last_top, top = top, extreme
            else:
                last_bottom, bottom = bottom, extreme
                grown = top - last_top > _GROWTH and last_bottom - bottom > _GROWTH
                cycles = cycles + 1 if grown else 0
            beyond += abs(extreme - turned) > _WIDE and (extreme < floor or extreme > ceiling)
            if beyond >= _BEYOND or (cycles >= _CYCLES and (bottom < floor or top > ceiling)):
                return True
            rising, extreme, turned = not rising, v[i], extreme
    return False


@_jit
def _zigzags(v: Array, stride: int, size: float) -> bool:
    """Whether the voltage jumps there and back at every sample, several times in a row."""
    for start in range(1, v.size - _TURNS - 1, stride):
        if abs(v[start + 1] - 2 * v[start] + v[start - 1]) <= 2 * size:
            continue
        turns = 0
        for i in range(start, min(start + _TURNS + stride, v.size - 1)):
            first, second = v[i] - v[i - 1], v[i + 1] - v[i]
            turns = turns + 1 if first * second < 0 and min(abs(first), abs(second)) > size else 0
            if turns >= _TURNS:
                return True
    return False


@_jit
def _stands(v: Array, command: Array, length: int, least: float) -> bool:
    """Whether the voltage stops abruptly, or does not answer a change of the command."""
    probe = max(length // 4, 1)
    for i in range(probe, v.size, probe):
        if v[i] != v[i - probe]:
            continue
        first, last = i - probe, i
        while first > 0 and v[first - 1] == v[i]:
            first -= 1
        while last < v.size - 1 and v[last + 1] == v[i]:
            last += 1
        if last - first + 1 < length:
            continue
        if first > 0 and abs(v[first] - v[first - 1]) > least:
            return True
        # the sample at which the command changes may still be the one before the answer
        for k in range(first, last - length // 2):
            if command[k + 1] != command[k]:
                return True
    return False


@_jit
def _drifts(v: Array, on: int, drift: float) -> bool:
    """Whether the baseline before the stimulus is not steady."""
    quarter = on // 4
    return abs(v[on - quarter : on].mean() - v[on - 2 * quarter : on - quarter].mean()) > drift


@_jit
def _blocked(v: Array, stimulus: Stimulus, times: Array, plateau: float, ripple: float) -> bool:
    """Whether spiking stops on a plateau."""
    on, off = stimulus.on, stimulus.off
    start = off - (off - on) // 5
    before = 0
    for time in times:
        if start <= time < off:
            return False
        before += on <= time < start
    if before == 0:
        return False
    low, high = v[start:off].min(), v[start:off].max()
    return low > plateau and high - low < ripple


@_jit
def _sweep(v: Array, command: Array, stimulus: Stimulus, limits: Numbers, times: Array) -> int:
    on, dt = stimulus.on, stimulus.dt
    if _impossible(v, limits.lowest, limits.highest):
        return _RUNAWAY if np.isfinite(v).all() else _NOT_FINITE
    stride, lag = max(round(_STRIDE / dt), 1), max(round(_RISE / dt), 1)
    least = 1e-6 if v.itemsize == 8 else 5e-5
    if _stands(v, command, max(round(limits.still / dt), 20), least):
        return _SOLVER
    if _zigzags(v, stride, limits.zigzag) or _grows(v, stride, limits.floor, limits.ceiling):
        return _DIVERGING
    count = _spikes(v, stride, lag, limits.rise, limits.peak, times)
    early = 0
    for time in times[:count]:
        early += time < on
    if early:
        return _SPONTANEOUS
    if on * dt >= _LEAST and _drifts(v, on, limits.drift):
        return _DIVERGING
    long = (stimulus.off - on) * dt >= _LEAST
    if stimulus.upward and long and _blocked(v, stimulus, times[:count], limits.plateau, limits.ripple):
        return _BLOCK
    return _OK if count else _SILENT


@numba.njit(error_model="numpy", nogil=True, no_cfunc_wrapper=True, cache=True)
def name(response: Array, command: Array, stimuli: Array, dt: float, limits: Numbers) -> Array:
    """Outcomes of traces ``(N, S, T)`` [mV], shape ``(N,)``.

    Args:
        response: The traces.
        command: Command, shape ``(S, T)``.
        stimuli: First sample of the stimulus of every sweep, the one after its last, and whether it depolarises,
            shape ``(S, 3)``.
        dt: Sampling step [ms].
        limits: The limits.
    """
    order = np.array([_NOT_FINITE, _RUNAWAY, _SOLVER, _DIVERGING, _SPONTANEOUS, _BLOCK, _OK, _SILENT])
    found = np.empty(len(response), np.int64)
    times = np.empty(1000, np.int64)
    for k in range(len(response)):
        first = order.size - 1
        for s in range(response.shape[1]):
            stimulus = Stimulus(stimuli[s, 0], stimuli[s, 1], stimuli[s, 2] > 0, dt)
            one = _sweep(response[k, s], command[s], stimulus, limits, times)
            for place in range(order.size):
                if order[place] == one:
                    first = min(first, place)
                    break
        found[k] = order[first]
    return found
