"""All features of all rows of one sweep in one compiled call."""

import numpy as np

from hhfit.arrays import Array
from hhfit.extractors._events import find_begins, find_ends, find_lowest, find_minima, keep_inside, threshold_peaks
from hhfit.extractors._grid import Grid
from hhfit.extractors._jit import jit
from hhfit.extractors._passive import (
    list_decays,
    list_deflections,
    list_extremes,
    list_levels,
    list_sag,
    list_steepest,
    list_time_constant,
    voltage_base,
)
from hhfit.extractors._peaks import find_peaks
from hhfit.extractors._shape import (
    list_amplitudes,
    list_bases,
    list_durations,
    list_falls,
    list_half_durations,
    list_onset_widths,
    list_rises,
    list_slopes,
    list_threshold_widths,
    list_widths,
)
from hhfit.extractors._slots import GROUP_OF, Group, Lists, Pick, Rules, Slot, Train, Window
from hhfit.extractors._train import list_between, list_intervals, list_minima, list_peaks, list_times

_SLOTS = len(Slot)


@jit
def _interpolate(response: Array, grid: Grid, v: Array) -> None:
    """Fill ``v`` with a trace on a grid."""
    points = v.size - 1 if grid.left[-1] == response.size - 1 else v.size
    for i in range(points):
        j = grid.left[i]
        v[i] = response[j] + (response[j + 1] - response[j]) / grid.width[i] * grid.beyond[i]
    if points < v.size:
        v[points] = response[-1]


@jit
def fill(response: Array, grid: Grid, window: Window, rules: Rules, chosen: Array, x: Array) -> None:
    """Fill ``x`` with features of every row; see ``_compiled.compute``."""
    v = np.empty(grid.t.size)
    scratch = np.empty((5, v.size // 2 + 2), np.int64)
    lists = Lists(np.empty((_SLOTS, v.size // 2 + 2)), np.zeros(_SLOTS, np.int64))
    wanted = np.zeros(_SLOTS, np.bool_)
    for slot in chosen[0]:
        wanted[GROUP_OF[slot]] = True
    for row in range(response.shape[0]):
        _interpolate(response[row], grid, v)
        lists.counts[:] = 0
        base = voltage_base(v, grid.t, window, rules)
        train = _find_train(v, grid.t, window, rules, scratch)
        list_times(train, window, rules, lists)
        if train.peaks.size:
            list_intervals(rules, lists)
            list_peaks(train, base, lists)
            list_minima(train, base, lists)
            list_between(train, base, rules, lists)
            _list_shape(train, window, rules, wanted, scratch, lists)
        _list_passive(v, grid.t, base, window, wanted, lists)
        for k in range(chosen.shape[1]):
            slot = chosen[0, k]
            x[row, k] = _pick(lists.values[slot, : lists.counts[slot]], chosen[1, k])


@jit
def find_spikes(response: Array, grid: Grid, window: Window, rules: Rules, peaks: Array) -> int:
    """Fill ``peaks`` with the spikes of one trace; see ``_compiled.locate``."""
    v = np.empty(grid.t.size)
    _interpolate(response, grid, v)
    return _count_spikes(v, grid.t, window, rules, peaks)


@jit
def _count_spikes(v: Array, t: Array, window: Window, rules: Rules, peaks: Array) -> int:
    """Fill ``peaks`` with the sample of each spike, by the rule that the settings choose."""
    if rules.spike_prominence > 0:
        reach = int(np.round(rules.spike_reach / (t[1] - t[0])))
        count = find_peaks(v, rules.spike_prominence, reach, peaks)
    else:
        count = threshold_peaks(v, rules.Threshold, peaks)
    return keep_inside(peaks, count, t, window) if rules.strict_stiminterval else count


@jit
def _find_train(v: Array, t: Array, window: Window, rules: Rules, scratch: Array) -> Train:
    """Spikes and the minima after them; onsets and ends are for ``_list_shape`` to find."""
    peaks = scratch[0, : _count_spikes(v, t, window, rules, scratch[0])]
    end = window.end if rules.strict_stiminterval else v.size
    minima = scratch[1, : find_minima(v, peaks, end, scratch[1])]
    lowest = scratch[2, : find_lowest(v, peaks, end, scratch[2])]
    return Train(v, t, peaks, minima, lowest, scratch[3, :0], scratch[4, :0])


@jit
def _list_shape(train: Train, window: Window, rules: Rules, wanted: Array, scratch: Array, lists: Lists) -> None:
    v, t, peaks, minima = train.v, train.t, train.peaks, train.minima
    if wanted[Group.WIDTH]:
        list_widths(train, window, rules, lists)
        list_threshold_widths(train, window, rules, lists)
    if not (wanted[Group.ONSET] or wanted[Group.END] or wanted[Group.SLOPE]):
        return
    begins = scratch[3, : find_begins(train, window, rules, scratch[3])]
    ends = scratch[4, :0]
    if wanted[Group.END]:
        ends = scratch[4, : find_ends(v, t, peaks, window.first, rules.DownDerivativeThreshold, scratch[4])]
    shaped = Train(v, t, peaks, minima, train.lowest, begins, ends)
    list_amplitudes(shaped, window, lists)
    list_rises(shaped, rules, lists)
    list_onset_widths(shaped, window, lists)
    if wanted[Group.END]:
        list_bases(shaped, lists)
        list_durations(shaped, lists)
        list_half_durations(shaped, lists)
        list_falls(shaped, window, lists)
    if wanted[Group.SLOPE]:
        list_slopes(shaped, rules, lists)


@jit
def _list_passive(v: Array, t: Array, base: float, window: Window, wanted: Array, lists: Lists) -> None:
    if wanted[Group.LEVEL] or wanted[Group.EXTREME] or wanted[Group.DECAY]:
        list_levels(v, t, base, window, lists)
    if wanted[Group.DEFLECTION]:
        list_deflections(v, t, window, lists)
    if wanted[Group.EXTREME] or wanted[Group.DECAY]:
        list_extremes(v, t, window, lists)
        list_sag(base, window, lists)
    if wanted[Group.DECAY]:
        list_decays(v, t, window, lists)
    if wanted[Group.FIT]:
        list_time_constant(v, t, window, lists)
    if wanted[Group.STEEPEST]:
        list_steepest(v, t, lists)


@jit
def _pick(values: Array, how: int) -> float:
    if values.size == 0 or (how < Pick.LAST and how >= values.size):
        return np.nan
    if how < Pick.LAST:
        value = values[how]
    elif how == Pick.LAST:
        value = values[-1]
    elif how == Pick.MEAN:
        value = values.mean()
    else:
        value = values.std()
    return value if np.isfinite(value) else np.nan
