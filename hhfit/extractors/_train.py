"""Lists of spike times, of peaks, and of the potential between spikes (definitions of eFEL 5.7)."""

import numpy as np

from hhfit.arrays import Array
from hhfit.extractors._events import first_lowest
from hhfit.extractors._jit import jit
from hhfit.extractors._slots import Lists, Rules, Slot, Train, Window


@jit
def emit(lists: Lists, slot: int, value: float) -> None:
    """Append a value to the list of a slot."""
    lists.values[slot, lists.counts[slot]] = value
    lists.counts[slot] += 1


@jit
def emit_differences(lists: Lists, slot: int, source: int) -> None:
    """Append the step from each value of another list to its next."""
    for i in range(lists.counts[source] - 1):
        emit(lists, slot, lists.values[source, i + 1] - lists.values[source, i])


@jit
def emit_changes(lists: Lists, slot: int, source: int) -> None:
    """Append the relative change from the first value of another list to each later one."""
    first = lists.values[source, 0]
    for i in range(1, lists.counts[source]):
        emit(lists, slot, (lists.values[source, i] - first) / first)


@jit
def list_times(train: Train, window: Window, rules: Rules, lists: Lists) -> None:
    """Counts, latencies and rates."""
    spikes, t, start = train.peaks.size, train.t, window.start
    early = start + (window.stop - start) * rules.initial_perc
    first = inside = initial = 0  # spikes before the window, in it, in its beginning
    last = 0.0
    for i in range(spikes):
        time = t[train.peaks[i]]
        emit(lists, Slot.PEAK_TIME, time)
        emit(lists, Slot.TIME_FROM_START, time - start)
        first += time < start
        initial += start <= time < early
        if start <= time <= window.stop:
            inside += 1
            last = time
    emit(lists, Slot.SPIKE_COUNT, spikes)
    emit(lists, Slot.SPIKE_COUNT_STIMINT, inside)
    if spikes == 0:
        return
    emit(lists, Slot.INV_TIME_TO_FIRST_SPIKE, 1000.0 / lists.values[Slot.TIME_FROM_START, 0])
    emit(lists, Slot.MEAN_FREQUENCY, inside * 1000.0 / (last - start))
    emit(lists, Slot.NUMBER_INITIAL_SPIKES, initial)
    skipped = min(int(inside * rules.spike_skipf + 0.5), rules.max_spike_skip)
    times = lists.values[Slot.PEAK_TIME]
    if inside - skipped >= 4:
        emit(lists, Slot.ADAPTATION_INDEX, _adaptation(times, first + skipped, first + inside))
    if inside >= 4:
        emit(lists, Slot.ADAPTATION_INDEX2, _adaptation(times, first + 1, first + inside))


@jit
def _adaptation(times: Array, start: int, stop: int) -> float:
    """Mean relative growth from each interval to the next."""
    total = 0.0
    for i in range(start + 1, stop - 1):
        before, after = times[i] - times[i - 1], times[i + 1] - times[i]
        total += (after - before) / (after + before)
    return total / (stop - start - 2)


@jit
def list_intervals(rules: Rules, lists: Lists) -> None:
    """Intervals between spikes and their statistics."""
    emit_differences(lists, Slot.ISI, Slot.PEAK_TIME)
    for i in range(lists.counts[Slot.ISI]):
        emit(lists, Slot.INV_ISI, 1000.0 / lists.values[Slot.ISI, i])
    intervals = lists.values[Slot.ISI, int(rules.ignore_first_ISI) : lists.counts[Slot.ISI]]
    if intervals.size < 2:
        return
    mean = intervals.mean()
    squares = steps = 0.0
    for i in range(intervals.size):
        squares += (intervals[i] - mean) ** 2
        steps += abs(intervals[i] - intervals[i - 1]) if i else 0.0
    emit(lists, Slot.ISI_CV, np.sqrt(squares / (intervals.size - 1)) / mean)
    emit(lists, Slot.SINGLE_BURST_RATIO, intervals[0] / mean)
    emit(lists, Slot.IRREGULARITY_INDEX, steps / (intervals.size - 1))
    emit(lists, Slot.ISI_LOG_SLOPE, _growth(intervals, True))
    emit(lists, Slot.ISI_SEMILOG_SLOPE, _growth(intervals, False))


@jit
def _growth(intervals: Array, logarithmic: bool) -> float:
    """Slope of log interval against its number, or against the logarithm of that."""
    sum_x = sum_y = sum_xx = sum_xy = 0.0
    for i in range(intervals.size):
        x = np.log(i + 1.0) if logarithmic else i + 1.0
        y = np.log(intervals[i])
        sum_x, sum_y = sum_x + x, sum_y + y
        sum_xx, sum_xy = sum_xx + x * x, sum_xy + x * y
    n = intervals.size
    return (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x)


@jit
def list_peaks(train: Train, base: float, lists: Lists) -> None:
    """Potential at the peaks, and how it falls from spike to spike."""
    spikes = train.peaks.size
    for i in range(spikes):
        emit(lists, Slot.PEAK_VOLTAGE, train.v[train.peaks[i]])
        emit(lists, Slot.AP_AMPLITUDE_FROM_VOLTAGEBASE, train.v[train.peaks[i]] - base)
    if spikes < 2:
        return
    top = lists.values[Slot.PEAK_VOLTAGE]
    emit(lists, Slot.AMP_DROP_FIRST_LAST, top[0] - top[spikes - 1])
    emit(lists, Slot.AMP_DROP_FIRST_SECOND, top[0] - top[1])
    emit(lists, Slot.AP2_AP1_PEAK_DIFF, top[1] - top[0])
    drop = -np.inf
    for i in range(spikes - 1):
        drop = max(drop, top[i] - top[i + 1])
    emit(lists, Slot.MAX_AMP_DIFFERENCE, drop)
    if spikes >= 3:
        emit(lists, Slot.AMP_DROP_SECOND_LAST, top[1] - top[spikes - 1])


@jit
def list_minima(train: Train, base: float, lists: Lists) -> None:
    """The minimum after each spike: its potential, depth and time."""
    v, t, peaks, minima = train.v, train.t, train.peaks, train.minima
    for i in range(minima.size):
        emit(lists, Slot.MIN_AHP, v[minima[i]])
        emit(lists, Slot.AHP_DEPTH, v[minima[i]] - base)
        emit(lists, Slot.AHP_DEPTH_FROM_PEAK, v[peaks[i]] - v[minima[i]])
        emit(lists, Slot.AHP_TIME_FROM_PEAK, t[minima[i]] - t[peaks[i]])
    emit_differences(lists, Slot.AHP_DEPTH_DIFF, Slot.AHP_DEPTH)


@jit
def list_between(train: Train, base: float, rules: Rules, lists: Lists) -> None:
    """The lowest potential between spikes, at any time and late in the interval."""
    v, t, peaks, lowest = train.v, train.t, train.peaks, train.lowest
    for i in range(peaks.size):
        emit(lists, Slot.MIN_BETWEEN_PEAKS, v[lowest[i]])
        if i + 1 < peaks.size:
            emit(lists, Slot.MIN_VOLTAGE_BETWEEN_SPIKES, v[lowest[i]])
    for i in range(1, peaks.size - 1):
        late = peaks[i]
        while late < peaks[i + 1] and t[late] < t[peaks[i]] + rules.sahp_start:
            late += 1
        slow = first_lowest(v, late, peaks[i + 1])
        emit(lists, Slot.AHP_DEPTH_ABS_SLOW, v[slow])
        emit(lists, Slot.AHP_DEPTH_SLOW, v[slow] - base)
        emit(lists, Slot.AHP_SLOW_TIME, (t[slow] - t[peaks[i]]) / (t[peaks[i + 1]] - t[peaks[i]]))
