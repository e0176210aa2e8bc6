"""The seam of all extractors."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.protocol import Protocol

Settings = Mapping[str, float | bool]

WINDOWS = ("before", "stimulus", "after", "sweep")
"""Parts of a sweep that have a name; ``"5..50"`` is one in ms from the start of the stimulus."""

SCALES = ("none", "log", "rank")

POSITIVE = ("interp_step", "spike_reach", "coarsest_step", "DerivativeWindow", "peak_refractory")
FRACTIONS = ("spike_skipf", "initial_perc")
"""Settings that must be positive; that must lie in 0..1, 1 left out."""


@dataclass(frozen=True)
class Feature:
    """One scalar summary of a sweep.

    Args:
        name: Its name in the feature set.
        extractor: File in ``extractors/`` that computes it.
        function: Its name there.
        window: Part of the sweep: one of ``WINDOWS``, or ``"5..50"``: from 5 to 50 ms after the
            start of the stimulus.
        scale: How errors of it are measured: in sds of the prior's simulations as it is, of its logarithm (``"log"``,
            sign kept: arsinh of the value), or of the normal score of its rank among them (``"rank"``). Networks see
            every feature as a z-score and as a rank, both fitted to the prior's simulations.
        unit: Its unit.
    """

    name: str
    extractor: str
    function: str
    window: str
    scale: str
    unit: str


class Extractor(ABC):
    """Computes some features of one family.

    Args:
        settings: Those of its own settings that differ from ``defaults()``.

    Raises:
        InputError: If a setting is unknown or cannot have that value.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = merge_settings(self.defaults(), settings, type(self).__module__.rpartition(".")[2])

    @staticmethod
    @abstractmethod
    def functions() -> dict[str, str]:
        """Functions it offers, with the unit of each."""

    @staticmethod
    @abstractmethod
    def defaults() -> dict[str, float | bool]:
        """Every setting it knows, with the value it has unless told otherwise."""

    @abstractmethod
    def __call__(self, response: Array, protocol: Protocol, features: tuple[Feature, ...]) -> Array:
        """Compute features of every sweep.

        Args:
            response: Membrane potential [mV], finite, shape ``(N, S, T)``.
            protocol: The command of every sweep.
            features: K features of this family.

        Returns:
            Their values, shape ``(N, S, K)``; NaN where undefined.
        """


def merge_settings(defaults: Settings, settings: Settings, where: str) -> dict[str, float | bool]:
    """The defaults with some settings replaced, each in the type of its default.

    Args:
        defaults: Every known setting.
        settings: Those to replace.
        where: What to call the place in a message.

    Raises:
        InputError: If a setting is unknown, or its value has the wrong type or cannot be.

    Example:
        >>> merge_settings({"threshold": -20.0, "strict": True}, {"threshold": -10}, "here")
        {'threshold': -10.0, 'strict': True}
    """
    need_known_settings(defaults, settings, where)
    merged = dict(defaults)
    for name, value in settings.items():
        kind = type(defaults[name])
        whole = kind is int and float(value) == int(value)
        if isinstance(value, bool) != (kind is bool) or not (kind in (float, bool) or whole):
            raise InputError(f"{where}: setting {name} is {value!r}, must be of type {kind.__name__}")
        if not np.isfinite(value) or (name in POSITIVE and value <= 0):
            raise InputError(
                f"{where}: setting {name} is {value}, must be {'positive' if name in POSITIVE else 'finite'}"
            )
        if name in FRACTIONS and not 0 <= value < 1:
            raise InputError(f"{where}: setting {name} is {value}, must be at least 0 and less than 1")
        merged[name] = kind(value)
    return merged


def need_known_settings(known: Settings, settings: Settings, where: str) -> None:
    """Raise if a setting is unknown, naming those nearest to it."""
    for name in settings:
        if name not in known:
            near = get_close_matches(name, known, n=3) or sorted(known)[:3]
            raise InputError(f"{where}: no setting {name!r}; nearest are {', '.join(near) or 'none'}")


def window_bounds(protocol: Protocol, sweep: int, window: str) -> tuple[float, float]:
    """Start and end of a window of a sweep [ms]; a named window may be empty.

    Raises:
        InputError: If a window in ms leaves the sweep.

    Example:
        >>> from hhfit.protocol import step
        >>> protocol = step(np.ones(1), on=2.0, off=4.0, duration=6.0, dt=1.0)
        >>> window_bounds(protocol, 0, "after"), window_bounds(protocol, 0, "-1..3")
        ((4.0, 6.0), (1.0, 5.0))
    """
    on, off = protocol.windows[sweep]
    end = protocol.duration
    if ".." in window:
        start, stop = (on + edge for edge in window_edges(window))
        if start < 0 or stop > end + protocol.dt:
            raise InputError(
                f"window {window} ms from the start of the stimulus leaves the sweep, "
                f"which lasts from {-on:g} to {end - on:g} ms"
            )
        return start, stop
    return {"before": (0.0, on), "stimulus": (on, off), "after": (off, end), "sweep": (0.0, end)}[window]


def window_edges(window: str) -> tuple[float, float]:
    """The two times of a window such as ``"5..50"``.

    Raises:
        InputError: If it is no such window.
    """
    try:
        start, stop = (float(edge) for edge in window.split(".."))
    except ValueError:
        start, stop = 0.0, 0.0
    if not start < stop:
        raise InputError(
            f"window {window!r} must be one of {', '.join(WINDOWS)} or two rising times in ms such as '5..50'"
        )
    return start, stop
