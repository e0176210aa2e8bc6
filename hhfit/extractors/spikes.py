"""Features of eFEL computed for a whole block of traces in one compiled pass.

Definitions are those of eFEL 5.7, interpolation included. Spikes are found by prominence unless
``spike_prominence`` is 0: then by the fixed threshold of eFEL, which is not fit for recordings
(see ``_peaks``).
"""

import numpy as np

from hhfit.arrays import Array
from hhfit.extractors._base import Extractor as Base
from hhfit.extractors._base import Feature, Settings, window_bounds
from hhfit.extractors._compiled import compute, locate
from hhfit.extractors._grid import grid
from hhfit.extractors._slots import FUNCTIONS, SHAPE, Rules, positions
from hhfit.protocol import Protocol

DEFAULTS: dict[str, float | bool] = {
    "spike_prominence": 20.0,  # mV, least rise before and fall after a spike; 0: use Threshold
    "spike_reach": 10.0,  # ms, within which it rises and falls
    "coarsest_step": 0.125,  # ms, sampling coarser than this shows no spike shape: undefined
    "interp_step": 0.1,  # ms; the rest as in eFEL, but the stimulus interval is strict
    "Threshold": -20.0,
    "DerivativeThreshold": 10.0,
    "DownDerivativeThreshold": -12.0,
    "DerivativeWindow": 3,
    "strict_stiminterval": True,
    "sahp_start": 5.0,
    "spike_skipf": 0.1,
    "max_spike_skip": 2,
    "initial_perc": 0.1,
    "ignore_first_ISI": True,
    "rise_start_perc": 0.0,
    "rise_end_perc": 1.0,
    "AP_phaseslope_range": 2,
    "voltage_base_start_perc": 0.9,
    "voltage_base_end_perc": 1.0,
    "precision_threshold": 1e-10,
}
SHORTEST = 16
"""With fewer grid points than this, and the derivative window, nothing is defined."""

_NANOAMPERE = 1e-3  # of a pA, as eFEL has it


class Extractor(Base):
    """Features of spikes and of passive responses, all rows at once."""

    @staticmethod
    def functions() -> dict[str, str]:
        """Functions it offers, with the unit of each."""
        return {name: unit for name, (_, _, unit) in FUNCTIONS.items()}

    @staticmethod
    def defaults() -> dict[str, float | bool]:
        """Settings of the spike rule, and those of eFEL that its features use."""
        return dict(DEFAULTS)

    def __call__(self, response: Array, protocol: Protocol, features: tuple[Feature, ...]) -> Array:
        """Compute features of every sweep, shape ``(N, S, K)``."""
        rows, sweeps, _ = response.shape
        values = np.full((rows, sweeps, len(features)), np.nan)
        points = grid(protocol.time, float(self.settings["interp_step"]))
        current = protocol.amplitude * _NANOAMPERE
        for sweep in range(sweeps):
            for window in sorted({feature.window for feature in features}):
                columns = [k for k, feature in enumerate(features) if feature.window == window]
                chosen = np.array(
                    list(zip(*(FUNCTIONS[features[k].function][:2] for k in columns), strict=True)), np.int64
                )
                bounds = window_bounds(protocol, sweep, window)
                if bounds[1] > bounds[0] and points.t.size >= SHORTEST + self.settings["DerivativeWindow"]:
                    where = positions(points.t, *bounds, float(current[sweep]))
                    x = np.empty((rows, len(columns)))
                    # a copy: the kernel is compiled again for every layout, and for read-only arrays
                    compute(np.array(response[:, sweep], float), points, where, self.rules, chosen, x)
                    values[:, sweep, columns] = x
        if protocol.dt > self.settings["coarsest_step"] + 1e-9:
            values[..., [_is_shape(feature) for feature in features]] = np.nan
        return values

    @property
    def rules(self) -> Rules:
        """The settings as the kernel takes them."""
        return Rules(**{name: type(DEFAULTS[name])(self.settings[name]) for name in Rules._fields})


def _is_shape(feature: Feature) -> bool:
    return FUNCTIONS[feature.function][0] in SHAPE


def spike_times(response: Array, dt: float, settings: Settings) -> Array:
    """Time of every spike of one trace [ms], shape ``(spikes,)``.

    Args:
        response: Membrane potential [mV], shape ``(T,)``.
        dt: Sampling step [ms].
        settings: Those of a feature set; only those of this extractor are used.

    Example:
        >>> potential = np.r_[np.full(9, -70.0), -20.0, 30.0, -10.0, np.full(9, -75.0)]
        >>> spike_times(potential, 0.1, {})
        array([1.])
    """
    extractor = Extractor(_own(settings))
    points = grid(np.arange(response.size) * dt, float(extractor.settings["interp_step"]))
    if points.t.size < SHORTEST:
        return np.empty(0)
    peaks = np.empty(points.t.size, np.int64)
    everything = positions(points.t, 0.0, float(points.t[-1]), 0.0)
    return points.t[peaks[: locate(np.array(response, float), points, everything, extractor.rules, peaks)]]


def spike_counts(response: Array, protocol: Protocol, settings: Settings) -> Array:
    """Spikes during the stimulus, shape ``(N, S)``; NaN where the response is not finite.

    Args:
        response: Membrane potential [mV], shape ``(N, S, T)``.
        protocol: The command of every sweep.
        settings: Those of a feature set; only those of this extractor are used.
    """
    finite = np.isfinite(response).all(axis=2, keepdims=True)
    feature = Feature("spike_count", "spikes", "spike_count_stimint", "stimulus", "none", "1")
    counts = Extractor(_own(settings))(np.where(finite, response, 0.0), protocol, (feature,))
    return np.where(finite, counts, np.nan)[..., 0]


def _own(settings: Settings) -> Settings:
    return {name: value for name, value in settings.items() if name in DEFAULTS}
