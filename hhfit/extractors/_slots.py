"""What the batched kernel computes: one list of values per slot, and the features made of them.

Names and definitions are those of eFEL 5.7 (https://efel.readthedocs.io/en/latest/eFeatures.html,
dependency file V5), so that a feature set may name either extractor.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from hhfit.arrays import Array


class Slot(IntEnum):
    """A list of values of one sweep: one per spike, per interval, or a single one."""

    # of spike times
    SPIKE_COUNT = 0
    SPIKE_COUNT_STIMINT = 1
    PEAK_TIME = 2
    TIME_FROM_START = 3
    INV_TIME_TO_FIRST_SPIKE = 4
    MEAN_FREQUENCY = 5
    NUMBER_INITIAL_SPIKES = 6
    ISI = 7
    INV_ISI = 8
    ISI_CV = 9
    SINGLE_BURST_RATIO = 10
    IRREGULARITY_INDEX = 11
    ISI_LOG_SLOPE = 12
    ISI_SEMILOG_SLOPE = 13
    ADAPTATION_INDEX = 14
    ADAPTATION_INDEX2 = 15
    # of peaks and what follows them
    PEAK_VOLTAGE = 16
    AMP_DROP_FIRST_LAST = 17
    AMP_DROP_SECOND_LAST = 18
    AMP_DROP_FIRST_SECOND = 19
    MAX_AMP_DIFFERENCE = 20
    AP2_AP1_PEAK_DIFF = 21
    AP_AMPLITUDE_FROM_VOLTAGEBASE = 22
    MIN_AHP = 23
    AHP_DEPTH = 24
    AHP_DEPTH_DIFF = 25
    AHP_DEPTH_FROM_PEAK = 26
    AHP_TIME_FROM_PEAK = 27
    AHP_DEPTH_ABS_SLOW = 28
    AHP_SLOW_TIME = 29
    AHP_DEPTH_SLOW = 30
    MIN_BETWEEN_PEAKS = 31
    MIN_VOLTAGE_BETWEEN_SPIKES = 32
    # of spike onsets
    AP_AMPLITUDE = 33
    AP_AMPLITUDE_CHANGE = 34
    AP_AMPLITUDE_DIFF = 35
    AP2_AP1_DIFF = 36
    AP_BEGIN_VOLTAGE = 37
    AP_BEGIN_TIME = 38
    FAST_AHP = 39
    FAST_AHP_CHANGE = 40
    AP_RISE_TIME = 41
    AP_RISE_RATE = 42
    AP_RISE_RATE_CHANGE = 43
    AP_BEGIN_WIDTH = 44
    AP2_AP1_BEGIN_WIDTH_DIFF = 45
    # of spike widths
    SPIKE_HALF_WIDTH = 46
    AP_WIDTH = 47
    AP_WIDTH_BETWEEN_THRESHOLD = 48
    # of spike ends
    DEPOLARIZED_BASE = 49
    AP_DURATION = 50
    AP_DURATION_CHANGE = 51
    AP_DURATION_HALF_WIDTH = 52
    AP_DURATION_HALF_WIDTH_CHANGE = 53
    AP_FALL_TIME = 54
    AP_FALL_RATE = 55
    AP_FALL_RATE_CHANGE = 56
    # of spike slopes
    AP_PEAK_UPSTROKE = 57
    AP_PEAK_DOWNSTROKE = 58
    AP_PHASESLOPE = 59
    # of mean potentials
    VOLTAGE_BASE = 60
    STEADY_STATE_VOLTAGE = 61
    STEADY_STATE_VOLTAGE_STIMEND = 62
    STEADY_STATE_HYPER = 63
    VOLTAGE_AFTER_STIM = 64
    # of the deflection
    VOLTAGE_DEFLECTION = 65
    VOLTAGE_DEFLECTION_BEGIN = 66
    OHMIC_INPUT_RESISTANCE = 67
    # of extremes
    VOLTAGE_DEFLECTION_VB_SSSE = 68
    OHMIC_INPUT_RESISTANCE_VB_SSSE = 69
    MAXIMUM_VOLTAGE = 70
    MINIMUM_VOLTAGE = 71
    MAXIMUM_VOLTAGE_FROM_VOLTAGEBASE = 72
    SAG_AMPLITUDE = 73
    SAG_RATIO1 = 74
    SAG_RATIO2 = 75
    # of decays
    SAG_TIME_CONSTANT = 76
    DECAY_TIME_CONSTANT_AFTER_STIM = 77
    # of a fit
    TIME_CONSTANT = 78
    # of the whole sweep
    PHASESLOPE_MAX = 79


class Group(IntEnum):
    """Slots that are computed together, if any of them is wanted, under the first of them."""

    TRAIN = Slot.SPIKE_COUNT
    ONSET = Slot.AP_AMPLITUDE
    WIDTH = Slot.SPIKE_HALF_WIDTH
    END = Slot.DEPOLARIZED_BASE
    SLOPE = Slot.AP_PEAK_UPSTROKE
    LEVEL = Slot.VOLTAGE_BASE
    DEFLECTION = Slot.VOLTAGE_DEFLECTION
    EXTREME = Slot.VOLTAGE_DEFLECTION_VB_SSSE
    DECAY = Slot.SAG_TIME_CONSTANT
    FIT = Slot.TIME_CONSTANT
    STEEPEST = Slot.PHASESLOPE_MAX


GROUP_OF = np.array([max(group for group in Group if group <= slot) for slot in Slot])
"""Group of each slot."""

SHAPE = range(Group.ONSET, Group.LEVEL)
"""Slots that need a sampling fine enough to show the shape of a spike."""


class Pick(IntEnum):
    """How one number is made of a list; ``FIRST`` to ``FIFTH`` are positions."""

    FIRST = 0
    SECOND = 1
    THIRD = 2
    FOURTH = 3
    FIFTH = 4
    LAST = 5
    MEAN = 6
    SD = 7


class Window(NamedTuple):
    """The part of a sweep that counts as the stimulus."""

    start: float
    stop: float
    first: int
    """First sample at or after ``start``; ``end``: at or after ``stop``."""
    end: int
    current: float
    """Command during the stimulus minus command before [nA]."""


class Rules(NamedTuple):
    """Settings, under the names of eFEL but for the rule of ``_peaks``."""

    spike_prominence: float
    spike_reach: float
    Threshold: float
    DerivativeThreshold: float
    DownDerivativeThreshold: float
    DerivativeWindow: int
    strict_stiminterval: bool
    sahp_start: float
    spike_skipf: float
    max_spike_skip: int
    initial_perc: float
    ignore_first_ISI: bool  # noqa: N815 - name of eFEL
    rise_start_perc: float
    rise_end_perc: float
    AP_phaseslope_range: int
    voltage_base_start_perc: float
    voltage_base_end_perc: float
    precision_threshold: float


class Train(NamedTuple):
    """A trace on the grid of eFEL with its spikes, as sample numbers."""

    v: Array
    t: Array
    peaks: Array
    minima: Array
    """The first minimum after each peak; the last may be missing."""
    lowest: Array
    """The lowest sample after each peak."""
    begins: Array
    ends: Array


class Lists(NamedTuple):
    """The values of every slot of one sweep."""

    values: Array
    counts: Array


_LISTS: dict[str, tuple[Slot, str]] = {
    "peak_time": (Slot.PEAK_TIME, "ms"),
    "all_ISI_values": (Slot.ISI, "ms"),
    "inv_ISI_values": (Slot.INV_ISI, "Hz"),
    "peak_voltage": (Slot.PEAK_VOLTAGE, "mV"),
    "AP_height": (Slot.PEAK_VOLTAGE, "mV"),
    "AP_amplitude_from_voltagebase": (Slot.AP_AMPLITUDE_FROM_VOLTAGEBASE, "mV"),
    "min_AHP_values": (Slot.MIN_AHP, "mV"),
    "AHP_depth_abs": (Slot.MIN_AHP, "mV"),
    "AHP_depth": (Slot.AHP_DEPTH, "mV"),
    "AHP_depth_diff": (Slot.AHP_DEPTH_DIFF, "mV"),
    "AHP_depth_from_peak": (Slot.AHP_DEPTH_FROM_PEAK, "mV"),
    "AHP_time_from_peak": (Slot.AHP_TIME_FROM_PEAK, "ms"),
    "AHP_depth_abs_slow": (Slot.AHP_DEPTH_ABS_SLOW, "mV"),
    "AHP_slow_time": (Slot.AHP_SLOW_TIME, "1"),
    "AHP_depth_slow": (Slot.AHP_DEPTH_SLOW, "mV"),
    "min_between_peaks_values": (Slot.MIN_BETWEEN_PEAKS, "mV"),
    "min_voltage_between_spikes": (Slot.MIN_VOLTAGE_BETWEEN_SPIKES, "mV"),
    "AP_amplitude": (Slot.AP_AMPLITUDE, "mV"),
    "AP_amplitude_change": (Slot.AP_AMPLITUDE_CHANGE, "1"),
    "AP_amplitude_diff": (Slot.AP_AMPLITUDE_DIFF, "mV"),
    "AP_begin_voltage": (Slot.AP_BEGIN_VOLTAGE, "mV"),
    "AP_begin_time": (Slot.AP_BEGIN_TIME, "ms"),
    "fast_AHP": (Slot.FAST_AHP, "mV"),
    "fast_AHP_change": (Slot.FAST_AHP_CHANGE, "1"),
    "depolarized_base": (Slot.DEPOLARIZED_BASE, "mV"),
    "spike_half_width": (Slot.SPIKE_HALF_WIDTH, "ms"),
    "AP_width": (Slot.AP_WIDTH, "ms"),
    "AP_width_between_threshold": (Slot.AP_WIDTH_BETWEEN_THRESHOLD, "ms"),
    "AP_begin_width": (Slot.AP_BEGIN_WIDTH, "ms"),
    "AP_duration": (Slot.AP_DURATION, "ms"),
    "AP_duration_change": (Slot.AP_DURATION_CHANGE, "1"),
    "AP_duration_half_width": (Slot.AP_DURATION_HALF_WIDTH, "ms"),
    "AP_duration_half_width_change": (Slot.AP_DURATION_HALF_WIDTH_CHANGE, "1"),
    "AP_rise_time": (Slot.AP_RISE_TIME, "ms"),
    "AP_fall_time": (Slot.AP_FALL_TIME, "ms"),
    "AP_rise_rate": (Slot.AP_RISE_RATE, "V/s"),
    "AP_rise_rate_change": (Slot.AP_RISE_RATE_CHANGE, "1"),
    "AP_fall_rate": (Slot.AP_FALL_RATE, "V/s"),
    "AP_fall_rate_change": (Slot.AP_FALL_RATE_CHANGE, "1"),
    "AP_peak_upstroke": (Slot.AP_PEAK_UPSTROKE, "V/s"),
    "AP_peak_downstroke": (Slot.AP_PEAK_DOWNSTROKE, "V/s"),
    "AP_phaseslope": (Slot.AP_PHASESLOPE, "1/ms"),
}
"""Lists of eFEL; each is also offered with a reduction, such as ``"AP_amplitude:first"``."""

_SINGLES: dict[str, tuple[Slot, Pick, str]] = {
    "time_to_first_spike": (Slot.TIME_FROM_START, Pick.FIRST, "ms"),
    "time_to_second_spike": (Slot.TIME_FROM_START, Pick.SECOND, "ms"),
    "time_to_last_spike": (Slot.TIME_FROM_START, Pick.LAST, "ms"),
    "doublet_ISI": (Slot.ISI, Pick.FIRST, "ms"),
    "inv_first_ISI": (Slot.INV_ISI, Pick.FIRST, "Hz"),
    "inv_second_ISI": (Slot.INV_ISI, Pick.SECOND, "Hz"),
    "inv_third_ISI": (Slot.INV_ISI, Pick.THIRD, "Hz"),
    "inv_fourth_ISI": (Slot.INV_ISI, Pick.FOURTH, "Hz"),
    "inv_fifth_ISI": (Slot.INV_ISI, Pick.FIFTH, "Hz"),
    "inv_last_ISI": (Slot.INV_ISI, Pick.LAST, "Hz"),
    "AP1_peak": (Slot.PEAK_VOLTAGE, Pick.FIRST, "mV"),
    "AP2_peak": (Slot.PEAK_VOLTAGE, Pick.SECOND, "mV"),
    "AP1_amp": (Slot.AP_AMPLITUDE, Pick.FIRST, "mV"),
    "AP2_amp": (Slot.AP_AMPLITUDE, Pick.SECOND, "mV"),
    "APlast_amp": (Slot.AP_AMPLITUDE, Pick.LAST, "mV"),
    "mean_AP_amplitude": (Slot.AP_AMPLITUDE, Pick.MEAN, "mV"),
    "AP1_begin_voltage": (Slot.AP_BEGIN_VOLTAGE, Pick.FIRST, "mV"),
    "AP2_begin_voltage": (Slot.AP_BEGIN_VOLTAGE, Pick.SECOND, "mV"),
    "AP1_begin_width": (Slot.AP_BEGIN_WIDTH, Pick.FIRST, "ms"),
    "AP2_begin_width": (Slot.AP_BEGIN_WIDTH, Pick.SECOND, "ms"),
    "AP1_width": (Slot.SPIKE_HALF_WIDTH, Pick.FIRST, "ms"),
    "AP2_width": (Slot.SPIKE_HALF_WIDTH, Pick.SECOND, "ms"),
    "APlast_width": (Slot.SPIKE_HALF_WIDTH, Pick.LAST, "ms"),
    "AHP1_depth_from_peak": (Slot.AHP_DEPTH_FROM_PEAK, Pick.FIRST, "mV"),
    "AHP2_depth_from_peak": (Slot.AHP_DEPTH_FROM_PEAK, Pick.SECOND, "mV"),
}

_ALONE: dict[str, str] = {
    **dict.fromkeys(("spike_count", "spike_count_stimint", "number_initial_spikes"), "1"),
    **dict.fromkeys(("inv_time_to_first_spike", "mean_frequency"), "Hz"),
    **dict.fromkeys(("ISI_CV", "single_burst_ratio", "adaptation_index", "adaptation_index2"), "1"),
    **dict.fromkeys(("ISI_log_slope", "ISI_semilog_slope", "sag_ratio1", "sag_ratio2"), "1"),
    **dict.fromkeys(("amp_drop_first_last", "amp_drop_second_last", "amp_drop_first_second"), "mV"),
    **dict.fromkeys(("max_amp_difference", "AP2_AP1_peak_diff", "AP2_AP1_diff", "sag_amplitude"), "mV"),
    **dict.fromkeys(("voltage_base", "steady_state_voltage", "steady_state_voltage_stimend"), "mV"),
    **dict.fromkeys(("steady_state_hyper", "voltage_after_stim", "maximum_voltage", "minimum_voltage"), "mV"),
    **dict.fromkeys(("voltage_deflection", "voltage_deflection_begin", "voltage_deflection_vb_ssse"), "mV"),
    "maximum_voltage_from_voltagebase": "mV",
    **dict.fromkeys(("ohmic_input_resistance", "ohmic_input_resistance_vb_ssse"), "MOhm"),
    **dict.fromkeys(("irregularity_index", "AP2_AP1_begin_width_diff", "sag_time_constant"), "ms"),
    **dict.fromkeys(("decay_time_constant_after_stim", "time_constant"), "ms"),
    "phaseslope_max": "V/s",
}
"""Features that are a slot of their own, of the same name."""

_REDUCTIONS = {"": Pick.MEAN, ":mean": Pick.MEAN, ":first": Pick.FIRST, ":last": Pick.LAST, ":sd": Pick.SD}

FUNCTIONS: dict[str, tuple[Slot, Pick, str]] = {
    **{name: (Slot[name.upper()], Pick.FIRST, unit) for name, unit in _ALONE.items()},
    **_SINGLES,
    **{
        f"{name}{how}": (slot, pick, unit) for name, (slot, unit) in _LISTS.items() for how, pick in _REDUCTIONS.items()
    },
}
"""Every feature: its slot, how it is picked, its unit."""


def positions(t: Array, start: float, stop: float, current: float) -> Window:
    """The window from ``start`` to ``stop`` [ms] on the grid ``t``."""
    first, end = (int(np.searchsorted(t, edge)) for edge in (start, stop))
    return Window(start, stop, first, end, current)
