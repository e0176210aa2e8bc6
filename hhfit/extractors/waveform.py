"""Statistics of the membrane potential itself; the summary of Goncalves et al. 2020 among them."""

from collections.abc import Callable

import numpy as np

from hhfit.arrays import Array
from hhfit.extractors._base import Extractor as Base
from hhfit.extractors._base import Feature, window_bounds
from hhfit.protocol import Protocol

PEAK_THRESHOLD = -10.0
"""A maximum above it [mV] is a spike to ``peak_count`` (Goncalves et al. 2020)."""

PEAK_REFRACTORY = 0.5
"""A maximum within it [ms] of the one before is the same spike (Goncalves et al. 2020)."""

LATE = 0.1
"""``late_mean`` and ``late_sd`` look at this last fraction of a window."""

MOMENTS = range(3, 9)

LAGS = [round(0.1 * k, 1) for k in range(1, 11)]
"""Lags of the autocorrelation [ms] (Lueckmann et al. 2017)."""


class Extractor(Base):
    """Statistics of the samples in a window, for all rows at once."""

    @staticmethod
    def functions() -> dict[str, str]:
        """Functions it offers, with the unit of each."""
        return {name: unit for name, (unit, _) in _TABLE.items()}

    @staticmethod
    def defaults() -> dict[str, float | bool]:
        """Settings of the rule of ``peak_count``."""
        return {"peak_threshold": PEAK_THRESHOLD, "peak_refractory": PEAK_REFRACTORY}

    def __call__(self, response: Array, protocol: Protocol, features: tuple[Feature, ...]) -> Array:
        """Compute features of every sweep, shape ``(N, S, K)``."""
        rows, sweeps, _ = response.shape
        values = np.full((rows, sweeps, len(features)), np.nan)
        for sweep in range(sweeps):
            parts = {
                f.window: response[:, sweep, protocol.samples(*window_bounds(protocol, sweep, f.window))]
                for f in features
            }
            for column, feature in enumerate(features):
                part = parts[feature.window]
                if feature.function == "peak_count":
                    bounds = protocol.samples(*window_bounds(protocol, sweep, feature.window))
                    values[:, sweep, column] = self._peak_count(response[:, sweep], bounds, protocol.dt)
                elif part.shape[1]:
                    values[:, sweep, column] = _TABLE[feature.function][1](part, protocol.dt)
        return values

    def _peak_count(self, potential: Array, window: slice, dt: float) -> Array:
        threshold, refractory = self.settings["peak_threshold"], self.settings["peak_refractory"]
        return np.array([_count(v, window, threshold, refractory / dt) for v in potential], float)


def _count(potential: Array, window: slice, threshold: float, refractory: float) -> int:
    """Maxima above the threshold, as the code of Goncalves et al. 2020 finds them.

    Samples below the threshold and those that fall are set to it; what falls then is the last
    rising sample of each maximum.
    """
    rising = np.maximum(potential, threshold)
    rising[:-1][np.diff(rising) < 0] = threshold
    peaks = np.flatnonzero(np.diff(rising) < 0)
    peaks = peaks[(peaks >= window.start) & (peaks < window.stop)]
    return int(len(peaks) and 1 + np.count_nonzero(np.diff(peaks) > refractory))


def _central(part: Array, order: int) -> Array:
    return _power(part - part.mean(axis=1, keepdims=True), order).mean(axis=1)


def _power(values: Array, order: int) -> Array:
    """Whole powers by multiplication, which is several times faster than the power function."""
    if order == 1:
        return values
    half = _power(values, order // 2)
    return half * half * values if order % 2 else half * half


def _standardised(part: Array, order: int) -> Array:
    variance = part.var(axis=1)
    flat = variance <= (1e-9 * np.abs(part).max(axis=1)) ** 2
    return np.where(flat, np.nan, _central(part, order)) / np.where(flat, 1.0, variance) ** (order / 2)


def _late(part: Array) -> Array:
    return part[:, int((1 - LATE) * part.shape[1]) :]


def _autocorrelation(part: Array, lag: int) -> Array:
    """Correlation of the potential with itself later, zero beyond the window; 1 at no lag."""
    away = part - part.mean(axis=1, keepdims=True)
    power = (away**2).sum(axis=1)
    flat = power <= part.shape[1] * (1e-9 * np.abs(part).max(axis=1)) ** 2
    if not 0 < lag < part.shape[1]:
        return np.full(len(part), np.nan)
    return np.where(flat, np.nan, (away[:, lag:] * away[:, :-lag]).sum(axis=1)) / np.where(flat, 1.0, power)


def _lagged(lag: float) -> Callable[[Array, float], Array]:
    return lambda part, dt: _autocorrelation(part, round(lag / dt))


def _moment(order: int) -> Callable[[Array, float], Array]:
    return lambda part, dt: _central(part, order)


_TABLE: dict[str, tuple[str, Callable[[Array, float], Array]]] = {
    "mean": ("mV", lambda part, dt: part.mean(axis=1)),
    "median": ("mV", lambda part, dt: np.median(part, axis=1)),
    "minimum": ("mV", lambda part, dt: part.min(axis=1)),
    "maximum": ("mV", lambda part, dt: part.max(axis=1)),
    "sd": ("mV", lambda part, dt: part.std(axis=1)),
    "variance": ("mV2", lambda part, dt: part.var(axis=1)),
    "skewness": ("1", lambda part, dt: _standardised(part, 3)),
    "kurtosis": ("1", lambda part, dt: _standardised(part, 4)),
    "late_mean": ("mV", lambda part, dt: _late(part).mean(axis=1)),
    "late_sd": ("mV", lambda part, dt: _late(part).std(axis=1)),
    "peak_count": ("1", lambda part, dt: np.full(len(part), np.nan)),
    **{f"moment_{order}": (f"mV{order}", _moment(order)) for order in MOMENTS},
    **{f"autocorrelation_{lag:.1f}ms": ("1", _lagged(lag)) for lag in LAGS},
}
