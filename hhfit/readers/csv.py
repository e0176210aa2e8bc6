"""Comma-separated text with one header line: time, voltage and current, units in the names."""

import re
from pathlib import Path

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.readers._assemble import Sweep, assemble
from hhfit.recording import Recording
from hhfit.units import factor

_COLUMN = re.compile(r"^(time|t|voltage|v|current|i)[ _]*[\[(]?([a-z\u00b5\u03bc]+)[\])]?[ _]*(\d*)$", re.IGNORECASE)
_KINDS = {"t": "t", "v": "v", "c": "i", "i": "i"}
_HEADER = (
    "a header such as time_ms,voltage_mV,current_pA or time_ms,voltage_mV_0,current_pA_0,voltage_mV_1,current_pA_1"
)


def read(path: Path) -> Recording:
    """Read one sweep per pair of voltage and current columns.

    Raises:
        InputError: If the header is not understood, a number is missing, or time is not even.
    """
    try:
        header, *lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) < 2:
            raise ValueError("no rows")
        table = np.loadtxt(lines, delimiter=",", ndmin=2)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: cannot be read as comma-separated numbers; it needs {_HEADER}") from error
    columns = _columns(header.split(","), path.name)
    if table.shape[1] != len(header.split(",")):
        raise InputError(f"{path.name}: has {table.shape[1]} columns of numbers under {len(header.split(','))} names")
    time = _scaled(table, columns["t", 0], "ms", path.name)
    voltages = sorted(number for kind, number in columns if kind == "v")
    sweeps = [_sweep(table, columns, number, _step(time, path.name), path.name) for number in voltages]
    return assemble(sweeps, "current", path.name)


def _columns(names: list[str], name: str) -> dict[tuple[str, int], tuple[int, str]]:
    """Kind (t, v, i) and sweep of every column, to its place and unit."""
    found = {}
    for place, text in enumerate(names):
        match = _COLUMN.match(text.strip().strip('"'))
        if match is None:
            raise InputError(f"{name}: column {text.strip()!r} is not understood; it needs {_HEADER}")
        found[_KINDS[match[1][0].lower()], int(match[3] or 0)] = place, match[2]
    if ("t", 0) not in found or not any(kind == "v" for kind, _ in found):
        raise InputError(f"{name}: has no time or no voltage column; it needs {_HEADER}")
    return found


def _sweep(table: Array, columns: dict[tuple[str, int], tuple[int, str]], number: int, dt: float, name: str) -> Sweep:
    if ("i", number) not in columns:
        raise InputError(
            f"{name}: sweep {number} has no current column, so its stimulus is unknown; it needs {_HEADER}"
        )
    voltage = _scaled(table, columns["v", number], "mV", name)
    return Sweep(number, voltage, _scaled(table, columns["i", number], "pA", name), dt)


def _scaled(table: Array, column: tuple[int, str], to: str, name: str) -> Array:
    place, unit = column
    try:
        return table[:, place] * factor(unit, to)
    except InputError as error:
        raise InputError(f"{name}: column {place + 1}: {error}") from None


def _step(time: Array, name: str) -> float:
    steps = np.diff(time)
    if len(steps) == 0 or not np.isfinite(steps).all() or not (np.abs(steps / np.median(steps) - 1) < 0.01).all():
        raise InputError(f"{name}: time must rise in even steps; resample the recording")
    return float((time[-1] - time[0]) / len(steps))
