"""NWB 1 in the layout of the Allen Cell Types Database, through h5py."""

from pathlib import Path
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.readers._assemble import Sweeps
from hhfit.readers._guard import need_room
from hhfit.units import factor

_ACQUISITION, _STIMULUS = "acquisition/timeseries", "stimulus/presentation"
_DEFAULT_UNIT = {"mV": "V", "pA": "A"}


def is_version_1(path: Path) -> bool:
    """Whether it is HDF5 with a version dataset that says NWB-1."""
    import h5py

    with h5py.File(path, "r") as file:
        version = file.get("nwb_version")
        if version is None:
            return False
        text = version[()]
    return (text.decode("ascii", "ignore") if isinstance(text, bytes) else str(text)).startswith(("NWB-1", "1."))


def sweeps(path: Path) -> Sweeps:
    """Current-clamp sweeps: ``acquisition/timeseries/Sweep_N`` with ``stimulus/presentation/Sweep_N``.

    Sweeps in voltage clamp, and sweeps whose stimulus is flat, such as the test sweeps between
    experiments, are left out; the sweeps kept are those of the most common length and rate.

    Raises:
        InputError: If there is none.
    """
    import h5py

    found = []
    with h5py.File(path, "r") as file:
        for name in sorted(file.get(_ACQUISITION, {}), key=_number):
            group, stimulus = file[f"{_ACQUISITION}/{name}"], file.get(f"{_STIMULUS}/{name}")
            if stimulus is None or "data" not in group or not _is_current_clamp(group):
                continue
            response, command = _values(group, "mV", path), _values(stimulus, "pA", path)
            if np.ptp(command) > 0 and len(command) == len(response):
                found.append((_number(name), response, command, _interval(group, path)))
    if not found:
        raise InputError(f"{path.name}: holds no current-clamp sweep with a stimulus at {_ACQUISITION}/Sweep_N")
    kinds = [(len(response), round(dt, 9)) for _, response, _, dt in found]
    length, dt = max(set(kinds), key=kinds.count)
    kept = [row for row, kind in zip(found, kinds, strict=True) if kind == (length, dt)]
    left_out = sorted({row[0] for row in found} - {row[0] for row in kept})
    known = {"stimulus": "stimulus series of the file", "left out": ", ".join(map(str, left_out)) or "none"}
    numbers, responses, commands, _ = zip(*kept, strict=True)
    return Sweeps(path.name, "current", dt, numbers, responses, commands, measured=True, provenance=known)


def _number(name: str) -> int:
    digits = "".join(character for character in name.rpartition("_")[2] if character.isdigit())
    return int(digits or 0)


def _text(value: Any) -> str:  # noqa: ANN401 - h5py attribute
    return value.decode("ascii", "ignore") if isinstance(value, bytes) else str(value)


def _is_current_clamp(group: Any) -> bool:  # noqa: ANN401 - h5py
    ancestry = " ".join(_text(word) for word in np.atleast_1d(group.attrs.get("ancestry", [])))
    unit = _text(group["data"].attrs.get("unit", "V")).strip().lower()
    return "VoltageClamp" not in ancestry and unit in ("v", "volt", "volts", "mv")


def _values(group: Any, unit: str, path: Path) -> Array:  # noqa: ANN401 - h5py
    data = group["data"]
    need_room(path, 8.0 * float(np.prod(data.shape, dtype=float)))
    conversion = float(data.attrs.get("conversion", 1.0))
    named = _text(data.attrs.get("unit", _DEFAULT_UNIT[unit]))
    return np.asarray(data[()], float) * conversion * factor(named, unit)


def _interval(group: Any, path: Path) -> float:  # noqa: ANN401 - h5py
    start = group.get("starting_time")
    rate = float(start.attrs.get("rate", np.nan)) if start is not None else float("nan")
    if not rate > 0:
        raise InputError(f"{path.name}: {group.name} has no sampling rate; hhfit needs it to know the time step")
    return 1000.0 / rate
