"""Lists of spike shape: amplitudes, widths and slopes (definitions of eFEL 5.7)."""

import numpy as np

from hhfit.arrays import Array
from hhfit.extractors._events import slope
from hhfit.extractors._jit import jit
from hhfit.extractors._slots import Lists, Rules, Slot, Train, Window
from hhfit.extractors._train import emit, emit_changes, emit_differences


@jit
def list_amplitudes(train: Train, window: Window, lists: Lists) -> None:
    """Onsets, and peaks above them."""
    v, t, begins, minima = train.v, train.t, train.begins, train.minima
    for i in range(begins.size):
        emit(lists, Slot.AP_BEGIN_VOLTAGE, v[begins[i]])
        emit(lists, Slot.AP_BEGIN_TIME, t[begins[i]])
    inside = int(lists.values[Slot.SPIKE_COUNT_STIMINT, 0])
    if inside <= begins.size:
        for peak in train.peaks:
            if window.start <= t[peak] <= window.stop:
                emit(lists, Slot.AP_AMPLITUDE, v[peak] - v[begins[lists.counts[Slot.AP_AMPLITUDE]]])
        emit_changes(lists, Slot.AP_AMPLITUDE_CHANGE, Slot.AP_AMPLITUDE)
        emit_differences(lists, Slot.AP_AMPLITUDE_DIFF, Slot.AP_AMPLITUDE)
        if inside >= 2:
            emit(lists, Slot.AP2_AP1_DIFF, lists.values[Slot.AP_AMPLITUDE, 1] - lists.values[Slot.AP_AMPLITUDE, 0])
    for i in range(min(begins.size - 1, minima.size)):
        emit(lists, Slot.FAST_AHP, v[begins[i]] - v[minima[i]])
    emit_changes(lists, Slot.FAST_AHP_CHANGE, Slot.FAST_AHP)


@jit
def list_bases(train: Train, lists: Lists) -> None:
    """Mean potential between the end of a spike and the onset of the next."""
    spikes = min(train.begins.size, train.ends.size)
    if spikes <= 2:
        return
    for i in range(spikes - 1):
        if train.begins[i + 1] > train.ends[i]:
            emit(lists, Slot.DEPOLARIZED_BASE, train.v[train.ends[i] : train.begins[i + 1]].mean())


@jit
def _first_at_least(v: Array, start: int, stop: int, level: float) -> int:
    for i in range(start, stop):
        if v[i] >= level:
            return i
    return stop


@jit
def _first_at_most(v: Array, start: int, stop: int, level: float) -> int:
    for i in range(start, stop):
        if v[i] <= level:
            return i
    return stop


@jit
def _crossing(v: Array, t: Array, i: int, level: float) -> float:
    """Time at which the potential crosses a level between sample ``i - 1`` and ``i``."""
    return t[i] + (t[i] - t[i - 1]) * (level - v[i]) / (v[i] - v[i - 1])


@jit
def _later(samples: Array, sample: int) -> int:
    """How many of the samples, which rise, do not lie after a given one."""
    count = 0
    while count < samples.size and samples[count] <= sample:
        count += 1
    return count


@jit
def list_widths(train: Train, window: Window, rules: Rules, lists: Lists) -> None:
    """Width half way to the following minimum, and above the spike threshold."""
    v, t, peaks, minima = train.v, train.t, train.peaks, train.minima
    start = window.first
    for i in range(minima.size):
        half = (v[peaks[i]] + v[minima[i]]) / 2.0
        rise = _first_at_least(v, start, peaks[i], half)
        fall = _first_at_most(v, peaks[i], minima[i], half)
        inside = rise > 0 and fall > 0
        emit(
            lists,
            Slot.SPIKE_HALF_WIDTH,
            _crossing(v, t, fall, half) - _crossing(v, t, rise, half) if inside else np.nan,
        )
        start = minima[i]
    start = window.first if rules.strict_stiminterval else 0
    for i in range(minima.size):
        stop = minima[i]
        if rules.strict_stiminterval and not window.first < stop < window.end:
            continue
        onset = _first_at_least(v, start, stop, rules.Threshold)
        emit(lists, Slot.AP_WIDTH, t[_first_at_most(v, onset, stop, rules.Threshold)] - t[onset])
        start = stop


@jit
def list_threshold_widths(train: Train, window: Window, rules: Rules, lists: Lists) -> None:
    """Width above the spike threshold between the lowest points around each spike."""
    lowest = train.lowest
    start = window.first
    for i in range(lowest.size):
        onset = _first_at_least(train.v, start, lowest[i], rules.Threshold)
        end = _first_at_most(train.v, onset, lowest[i], rules.Threshold)
        if end != lowest[i]:
            emit(lists, Slot.AP_WIDTH_BETWEEN_THRESHOLD, train.t[end] - train.t[onset])
        start = lowest[i]


@jit
def list_onset_widths(train: Train, window: Window, lists: Lists) -> None:
    """Width at the potential of the onset."""
    v, t, begins = train.v, train.t, train.begins
    minima = train.minima[_later(train.minima, window.first) :]
    if begins.size >= minima.size:
        for i in range(minima.size):
            out_of_step = begins[i] + 1 > minima[i]
            fall = _first_at_most(v, begins[i] + 1, minima[i], v[begins[i]])
            emit(lists, Slot.AP_BEGIN_WIDTH, np.nan if out_of_step else t[fall] - t[begins[i]])
        if minima.size >= 2:
            widths = lists.values[Slot.AP_BEGIN_WIDTH]
            emit(lists, Slot.AP2_AP1_BEGIN_WIDTH_DIFF, widths[1] - widths[0])


@jit
def list_durations(train: Train, lists: Lists) -> None:
    """Time from onset to end."""
    for i in range(min(train.begins.size, train.ends.size)):
        emit(lists, Slot.AP_DURATION, train.t[train.ends[i]] - train.t[train.begins[i]])
    emit_changes(lists, Slot.AP_DURATION_CHANGE, Slot.AP_DURATION)


@jit
def _nearest(v: Array, start: int, stop: int, level: float) -> int:
    """The first sample of a stretch whose potential is nearest to a level."""
    best = start
    for i in range(start + 1, stop):
        if abs(v[i] - level) < abs(v[best] - level):
            best = i
    return best


@jit
def list_half_durations(train: Train, lists: Lists) -> None:
    """Time between the samples nearest to half height before and after each peak."""
    v, t, peaks, begins, ends = train.v, train.t, train.peaks, train.begins, train.ends
    spikes = min(begins.size, peaks.size)
    for i in range(spikes):
        if peaks[i] < begins[i]:  # onsets and peaks are out of step: undefined
            return
    for i in range(spikes):
        half = (v[peaks[i]] + v[begins[i]]) / 2.0
        defined = i < ends.size and peaks[i] <= ends[i]
        fall = _nearest(v, peaks[i], ends[i], half) if defined else 0
        width = t[fall] - t[_nearest(v, begins[i], peaks[i], half)]
        emit(lists, Slot.AP_DURATION_HALF_WIDTH, width if defined else np.nan)
    emit_changes(lists, Slot.AP_DURATION_HALF_WIDTH_CHANGE, Slot.AP_DURATION_HALF_WIDTH)


@jit
def list_rises(train: Train, rules: Rules, lists: Lists) -> None:
    """Time and rate of the rise from onset to peak."""
    v, t, begins = train.v, train.t, train.begins
    spikes = min(begins.size, train.peaks.size)
    if spikes == 0:
        return
    peaks = train.peaks[_later(train.peaks, begins[0]) :]
    for i in range(spikes):
        if i >= peaks.size:
            emit(lists, Slot.AP_RISE_TIME, np.nan)
            emit(lists, Slot.AP_RISE_RATE, np.nan)
            continue
        height = v[peaks[i]] - v[begins[i]]
        low = v[begins[i]] + rules.rise_start_perc * height - 1e-13
        high = v[begins[i]] + rules.rise_end_perc * height + 1e-13
        start, stop = begins[i], peaks[i]
        while start < peaks[i] and v[start] < low:
            start += 1
        while stop > begins[i] and v[stop] > high:
            stop -= 1
        emit(lists, Slot.AP_RISE_TIME, t[stop] - t[start])
        emit(lists, Slot.AP_RISE_RATE, height / (t[peaks[i]] - t[begins[i]]))
    emit_changes(lists, Slot.AP_RISE_RATE_CHANGE, Slot.AP_RISE_RATE)


@jit
def list_falls(train: Train, window: Window, lists: Lists) -> None:
    """Time and rate of the fall from peak to end."""
    v, t, ends = train.v, train.t, train.ends
    first = 0
    while first < train.peaks.size and t[train.peaks[first]] <= window.start:
        first += 1
    peaks = train.peaks[first:]
    for i in range(min(train.peaks.size, ends.size)):
        defined = i < peaks.size
        time = t[ends[i]] - t[peaks[i]] if defined else np.nan
        emit(lists, Slot.AP_FALL_TIME, time)
        emit(lists, Slot.AP_FALL_RATE, (v[ends[i]] - v[peaks[i]]) / time if defined else np.nan)
    emit_changes(lists, Slot.AP_FALL_RATE_CHANGE, Slot.AP_FALL_RATE)


@jit
def list_slopes(train: Train, rules: Rules, lists: Lists) -> None:
    """Steepest rise and fall of each spike, and how fast its onset steepens with the potential."""
    v, t, peaks, begins, minima = train.v, train.t, train.peaks, train.begins, train.minima
    peak = 0
    for i in range(begins.size):
        while peak < peaks.size and peaks[peak] < begins[i]:
            peak += 1
        if peak < peaks.size:
            emit(lists, Slot.AP_PEAK_UPSTROKE, _steepest(v, t, begins[i], peaks[peak], 1.0))
            peak += 1
    for i in range(min(minima.size, peaks.size)):
        emit(lists, Slot.AP_PEAK_DOWNSTROKE, -_steepest(v, t, peaks[i], minima[i], -1.0))
    reach = rules.AP_phaseslope_range
    for i in range(begins.size):
        before, after = begins[i] - reach, begins[i] + reach
        if before < 0 or after >= v.size or v[after] == v[before]:
            lists.counts[Slot.AP_PHASESLOPE] = 0
            return
        emit(lists, Slot.AP_PHASESLOPE, (slope(v, t, after) - slope(v, t, before)) / (v[after] - v[before]))


@jit
def _steepest(v: Array, t: Array, start: int, stop: int, sign: float) -> float:
    best = sign * slope(v, t, start)
    for i in range(start + 1, stop):
        best = max(best, sign * slope(v, t, i))
    return best
