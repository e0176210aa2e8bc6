"""Features of eFEL, the reference that every other extractor is compared with.

eFEL keeps its settings and its trace in globals of the process: every call starts from its
defaults, and a lock keeps threads apart (peers.md 3b: eight threads gave 1081 wrong results of
4000). Whatever it returns that is not a finite number is undefined.
"""

import logging
import threading
import warnings
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import efel
import numpy as np
from efel.units import get_unit

from hhfit.arrays import Array
from hhfit.extractors._base import Extractor as Base
from hhfit.extractors._base import Feature, window_bounds
from hhfit.protocol import Protocol

log = logging.getLogger(__name__)

REDUCTIONS: dict[str, Callable[[Array], float]] = {
    "mean": np.mean,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "sd": np.std,
}
"""How one number is made of a value per spike: ``"AP_amplitude:first"``; the mean unless said."""

_LEFT_OUT = {"ISIs", "ISI_values", "Spikecount", "Spikecount_stimint", "voltage", "time", "current", "impedance"}
_UNITS = {"constant": "1", "1/(ms)": "1/ms", "MΩ": "MOhm"}
_PICOAMPERE = 1e-3  # in nA, which eFEL takes
_LOCK = threading.Lock()


class Extractor(Base):
    """Features of eFEL, one trace after the other."""

    @staticmethod
    def functions() -> dict[str, str]:
        """Features of eFEL with their units; deprecated ones and whole traces left out."""
        names = sorted(set(efel.get_feature_names()) - _LEFT_OUT)
        units = {name: _unit(name) for name in names}
        return units | {f"{name}:{how}": unit for name, unit in units.items() for how in REDUCTIONS}

    @staticmethod
    def defaults() -> dict[str, float | bool]:
        """Numeric settings of eFEL, but the stimulus interval strict."""
        known = {field.name: field.default for field in fields(efel.Settings)}
        numbers = {name: value for name, value in known.items() if isinstance(value, bool | int | float)}
        return {**numbers, "strict_stiminterval": True}

    def __call__(self, response: Array, protocol: Protocol, features: tuple[Feature, ...]) -> Array:
        """Compute features of every sweep, shape ``(N, S, K)``."""
        rows, sweeps, _ = response.shape
        values = np.full((rows, sweeps, len(features)), np.nan)
        time, current = protocol.time.tolist(), protocol.amplitude * _PICOAMPERE
        with _LOCK:
            self._apply_settings()
            for sweep in range(sweeps):
                for window in sorted({feature.window for feature in features}):
                    start, stop = window_bounds(protocol, sweep, window)
                    if stop <= start:
                        continue
                    columns = [k for k, feature in enumerate(features) if feature.window == window]
                    functions = [features[k].function for k in columns]
                    trace: dict[str, list[float]] = {"T": time, "stim_start": [start], "stim_end": [stop]}
                    trace["stimulus_current"] = [float(current[sweep])]
                    for row in range(rows):
                        trace["V"] = response[row, sweep].tolist()
                        values[row, sweep, columns] = _values(trace, functions)
        return values

    def _apply_settings(self) -> None:
        efel.reset()
        for name, value in self.settings.items():
            efel.set_setting(name, value)


def _values(trace: dict[str, list[float]], functions: list[str]) -> list[float]:
    names = sorted({function.partition(":")[0] for function in functions})
    results = _ask(trace, names)
    values = []
    for function in functions:
        name, _, how = function.partition(":")
        values.append(_reduce(results[name], REDUCTIONS[how or "mean"], function))
    return values


def _ask(trace: dict[str, list[float]], names: list[str]) -> dict[str, Any]:
    """All features at once; if that fails, one by one, so that only the failing one is lost."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return efel.get_feature_values([trace], names, raise_warnings=False)[0]
        except Exception as error:  # eFEL raises whatever NumPy and its C++ core do
            if len(names) == 1:
                log.debug("%s is undefined: %s: %s", names[0], type(error).__name__, error)
                return {names[0]: None}
    return {name: _ask(trace, [name])[name] for name in names}


def _reduce(result: Any, reduction: Callable[[Array], float], function: str) -> float:  # noqa: ANN401 - None or array
    values = np.atleast_1d(np.asarray([] if result is None else result, float))
    with np.errstate(invalid="ignore"):
        value = float(reduction(values)) if values.size else np.nan
    if not np.isfinite(value):
        log.debug("%s is undefined: eFEL returned %r", function, result)
        return np.nan
    return value


def _unit(name: str) -> str:
    try:
        unit = get_unit(name)
    except KeyError:
        return "1"
    return _UNITS.get(unit, unit)
