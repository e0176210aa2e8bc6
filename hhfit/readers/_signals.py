"""Recorded signals, told apart by their units: which is the response and which the command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import DependencyError, InputError
from hhfit.protocol import CLAMPS
from hhfit.readers._assemble import Sweeps
from hhfit.readers._channels import response_channel
from hhfit.readers._given import Given
from hhfit.readers._idealise import idealise
from hhfit.units import factor, measures


@dataclass(frozen=True, eq=False)
class Signals:
    """All signals of a file.

    Args:
        name: Name of the file.
        names: Name of every signal.
        units: Unit of every signal, as written in the file.
        data: Samples of every signal and sweep in the file's units.
        dt: Sampling step [ms].
        numbers: Number of each sweep in the file.
        provenance: What else is known.
    """

    name: str
    names: Sequence[str]
    units: Sequence[str]
    data: Sequence[Sequence[Array]]
    dt: float
    numbers: Sequence[int]
    provenance: Mapping[str, str] = field(default_factory=dict)


def require(package: str, kind: str) -> ModuleType:
    """A package that only some readers need.

    Raises:
        DependencyError: If it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        root = package.partition(".")[0]
        raise DependencyError(
            f"reading {kind} needs the package {root}; install it with: pip install {root}"
        ) from error


def sweeps(signals: Signals, given: Given) -> Sweeps:
    """Sweeps of a file that records both potential and current.

    Raises:
        InputError: If no signal is a potential or current, or several are.
    """
    clamp = _clamp(signals, given)
    command_unit, unit = CLAMPS[clamp]
    names, units = list(signals.names), list(signals.units)
    channel, scale = response_channel(names, units, unit, signals.name, given)
    commands: list[Array] = []
    source, missing = "", ""
    sources = [k for k, text in enumerate(units) if measures(text, command_unit) and k != channel]
    if len(sources) == 1:
        commands = [
            np.asarray(row, float) * factor(units[sources[0]], command_unit) for row in signals.data[sources[0]]
        ]
        source = f"recorded signal {names[sources[0]]}"
    elif sources:
        missing = f"{len(sources)} signals are in {command_unit} ({', '.join(names[k] for k in sources)})"
    else:
        missing = f"no signal is in {command_unit} (it has {', '.join(map(_described, names, units))})"
    responses = [np.asarray(row, float) * scale for row in signals.data[channel]]
    known = {**signals.provenance, "channel": names[channel], "stimulus": source}
    return Sweeps(signals.name, clamp, signals.dt, signals.numbers, responses, commands, missing, True, known)


def _described(name: str, unit: str) -> str:
    return f"{name} [{unit}]"


def _clamp(signals: Signals, given: Given) -> str:
    """Current clamp if the current is the steadier of the two signals, or the only command there can be."""
    if given.stimulus or not np.isnan(given.voltage_scale):
        return "current"
    found = {unit: [k for k, text in enumerate(signals.units) if measures(text, unit)] for unit in ("mV", "pA")}
    if not found["mV"] and not found["pA"]:
        described = ", ".join(map(_described, signals.names, signals.units)) or "nothing"
        raise InputError(
            f"{signals.name}: holds {described}, expected a potential and a current; correct the units and export again"
        )
    if not found["pA"]:
        return "current"
    if not found["mV"]:
        return "voltage"
    potential, current = (_unsteadiness(signals, found[unit][0]) for unit in ("mV", "pA"))
    return "current" if current <= potential else "voltage"


def _unsteadiness(signals: Signals, channel: int) -> float:
    """Share of a signal that plateaus do not describe."""
    rows = signals.data[channel]
    if len({len(row) for row in rows}) != 1:
        return 1.0
    values = np.stack([np.asarray(row, float) for row in rows])
    extent = float(np.ptp(values)) or 1.0
    steps = idealise(values / extent * 1000.0, signals.dt)
    if steps is None:
        jumps = np.sort(np.abs(np.diff(values, axis=1)), axis=1)
        return float(np.median(jumps[:, : int(0.98 * jumps.shape[1])].max(axis=1)) / extent)
    return float(np.sqrt(np.mean((values / extent - steps / 1000.0) ** 2)))
