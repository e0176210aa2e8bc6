"""Features of spikes, found by the rule of ``_peaks`` in recordings and simulations alike."""

from collections.abc import Callable

import numpy as np

from hhfit.arrays import Array
from hhfit.extractors._base import Extractor as Base
from hhfit.extractors._base import Feature, Settings, merge_settings
from hhfit.extractors._peaks import spike_samples
from hhfit.protocol import Protocol

PROMINENCE = 20.0
"""A spike rises and falls by at least this [mV] ..."""

REACH = 10.0
"""... within this time before and after its peak [ms]."""


class Extractor(Base):
    """Features of the spikes in a window."""

    @staticmethod
    def functions() -> dict[str, str]:
        """Functions it offers, with the unit of each."""
        single = {name: unit for name, (unit, _) in _OF_TRAIN.items()}
        return single | {f"{name}{how}": _PER_SPIKE[name][0] for name in _PER_SPIKE for how in _REDUCTIONS}

    @staticmethod
    def defaults() -> dict[str, float | bool]:
        """Settings of the spike rule."""
        return {"spike_prominence": PROMINENCE, "spike_reach": REACH}

    def __call__(self, response: Array, protocol: Protocol, features: tuple[Feature, ...]) -> Array:
        """Compute features of every sweep, shape ``(N, S, K)``."""
        rows, sweeps, _ = response.shape
        values = np.full((rows, sweeps, len(features)), np.nan)
        for sweep in range(sweeps):
            windows = {feature.window: _bounds(protocol, sweep, feature.window) for feature in features}
            for row in range(rows):
                potential = response[row, sweep]
                peaks = self._spikes(potential, protocol.dt)
                trains = {w: _Train(potential, peaks, protocol.dt, *bounds) for w, bounds in windows.items()}
                values[row, sweep] = [_value(feature.function, trains[feature.window]) for feature in features]
        return values

    def _spikes(self, potential: Array, dt: float) -> Array:
        return spike_samples(potential, dt, self.settings["spike_prominence"], self.settings["spike_reach"])


def spike_times(response: Array, dt: float, settings: Settings) -> Array:
    """Time of every spike of one trace [ms], shape ``(spikes,)``.

    Args:
        response: Membrane potential [mV], shape ``(T,)``.
        dt: Sampling step [ms].
        settings: ``spike_prominence`` [mV] and ``spike_reach`` [ms] where not the default.
    """
    known = {key: value for key, value in settings.items() if key in Extractor.defaults()}
    merged = merge_settings(Extractor.defaults(), known, "spikes")
    return spike_samples(response, dt, merged["spike_prominence"], merged["spike_reach"]) * dt


def spike_counts(response: Array, protocol: Protocol, settings: Settings) -> Array:
    """Spikes during the stimulus, shape ``(N, S)``; NaN where the response is not finite.

    Args:
        response: Membrane potential [mV], shape ``(N, S, T)``.
        protocol: The command of every sweep.
        settings: Those of a feature set; only those of the spike rule are used.
    """
    counts = np.full(response.shape[:2], np.nan)
    for row, sweep in np.argwhere(np.isfinite(response).all(axis=2)):
        times = spike_times(response[row, sweep], protocol.dt, settings)
        on, off = protocol.windows[sweep]
        counts[row, sweep] = np.count_nonzero((times >= on) & (times <= off))
    return counts


class _Train:
    """The spikes of one window of one trace."""

    def __init__(self, potential: Array, peaks: Array, dt: float, start: float, stop: float) -> None:
        inside = (peaks * dt >= start) & (peaks * dt <= stop)
        self.potential, self.peaks, self.dt = potential, peaks[inside], dt
        self.times = self.peaks * dt - start
        self.first, self.stop = int(np.ceil(start / dt - 1e-6)), min(int(stop / dt + 1e-6), len(potential))
        self.intervals = np.diff(self.times)


def _bounds(protocol: Protocol, sweep: int, window: str) -> tuple[float, float]:
    on, off = protocol.windows[sweep]
    end = protocol.duration
    return {"before": (0.0, on), "stimulus": (on, off), "after": (off, end), "sweep": (0.0, end)}[window]


def _value(function: str, train: _Train) -> float:
    if function in _OF_TRAIN:
        return _OF_TRAIN[function][1](train)
    name, _, how = function.partition(":")
    values = _PER_SPIKE[name][1](train)
    return float(_REDUCTIONS[":" + how if how else ""](values)) if len(values) else np.nan


def _half_widths(train: _Train) -> Array:
    """Time above halfway between each peak and the minimum after it, crossings interpolated."""
    widths = []
    for k, peak in enumerate(train.peaks):
        end = train.peaks[k + 1] if k + 1 < len(train.peaks) else train.stop
        start = train.peaks[k - 1] if k else train.first
        after = train.potential[peak:end]
        half = 0.5 * (train.potential[peak] + after.min()) if len(after) else np.nan
        falls, rises = np.flatnonzero(after < half), np.flatnonzero(train.potential[start:peak] < half)
        if len(falls) and len(rises):
            down = _crossing(train.potential, peak + falls[0], half)
            widths.append((down - _crossing(train.potential, start + rises[-1] + 1, half)) * train.dt)
    return np.array(widths)


def _crossing(potential: Array, sample: int, level: float) -> float:
    before, after = potential[sample - 1], potential[sample]
    return sample - 1 + (level - before) / (after - before)


def _troughs(train: _Train) -> Array:
    """Lowest potential after each spike, up to the next or to the end of the window."""
    ends = np.r_[train.peaks[1:], train.stop][: len(train.peaks)]
    pairs = zip(train.peaks, ends, strict=True)
    return np.array([train.potential[a:b].min() for a, b in pairs if b > a])


def _adaptation(train: _Train) -> float:
    """Mean of the relative change from one interval to the next (eFEL adaptation_index2)."""
    before, after = train.intervals[:-1], train.intervals[1:]
    return float(np.mean((after - before) / (after + before))) if len(before) else np.nan


_REDUCTIONS: dict[str, Callable[[Array], float]] = {
    "": np.mean,
    ":first": lambda values: values[0],
    ":last": lambda values: values[-1],
    ":sd": np.std,
}

_OF_TRAIN: dict[str, tuple[str, Callable[[_Train], float]]] = {
    "spike_count": ("1", lambda train: float(len(train.peaks))),
    "time_to_first_spike": ("ms", lambda train: train.times[0] if len(train.times) else np.nan),
    "time_to_last_spike": ("ms", lambda train: train.times[-1] if len(train.times) else np.nan),
    "adaptation_index2": ("1", _adaptation),
}

_PER_SPIKE: dict[str, tuple[str, Callable[[_Train], Array]]] = {
    "all_ISI_values": ("ms", lambda train: train.intervals),
    "peak_voltage": ("mV", lambda train: train.potential[train.peaks]),
    "spike_half_width": ("ms", _half_widths),
    "AHP_depth_abs": ("mV", _troughs),
}
