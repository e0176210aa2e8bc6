"""MATLAB files: named arrays of potential and current, one column per sweep."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.readers import _hdf5
from hhfit.readers._assemble import STEPS, Sweeps, assemble
from hhfit.readers._given import NOTHING, Given
from hhfit.readers._guard import need_room, reads
from hhfit.readers._text import step
from hhfit.recording import Recording
from hhfit.units import factor

_POTENTIAL = ("voltage", "inputdata", "vm", "v", "potential", "response")
_CURRENT = ("current", "outputdata", "im", "i", "stimulus", "command", "stim")
_RATE = ("samplerate", "samplingrate", "fs", "rate", "sr", "samplefrequency")
_STEP = re.compile(r"^(dt|interval|samplinginterval)(?:_?(ms|s|us))?$", re.IGNORECASE)
_TIME = ("t", "time", "times", "t_ms", "t_s", "time_ms", "time_s")
_FORM = "--columns voltage=NAME[UNIT],current=NAME[UNIT]"
_GIVEN = re.compile(r"(voltage|current)=(\w+)\[(\w+)\]")


def read(path: Path, given: Given = NOTHING) -> Recording:
    """Read arrays of potential [mV] and current [pA], time by sweeps, and the sampling rate [Hz].

    Arrays are found by usual names, such as ``voltage`` and ``current`` or ``inputData`` and
    ``outputData``, in mV and pA; ``given.columns`` names others, as in
    ``voltage=Vm[V],current=Iinj[nA]``. The rate is looked for in the file's variables and in their fields.

    Raises:
        InputError: If it is not such a file, or an array or the rate is missing.
    """
    with reads(path, "a MATLAB file"):
        head = path.read_bytes()[:1024]
        content = _of_version_73(path) if b"MATLAB 7.3" in head or b"\x89HDF" in head else _of_version_5(path)
        wanted = {kind: (name, unit) for kind, name, unit in _GIVEN.findall(given.columns)}
        if given.columns and not wanted:
            raise InputError(f"--columns is {given.columns!r}, must be like voltage=Vm[mV],current=Iinj[pA]")
        potential = _array(content, wanted.get("voltage", ("", "mV")), _POTENTIAL, "mV", given.voltage_scale)
        if potential is None:
            held = ", ".join(f"{name} {np.shape(value)}" for name, value in content.items())
            raise InputError(f"has no array of the membrane potential (it holds {held}); name it with {_FORM}")
        current = _array(content, wanted.get("current", ("", "pA")), _CURRENT, "pA")
        missing = f"has no array of the current; name it with {_FORM}" if current is None else ""
        commands = [] if current is None else list(current)
        known = {"stimulus": "array of the file"}
        numbers = list(range(len(potential)))
        dt = _interval(content, given)
        return assemble(
            Sweeps(path.name, "current", dt, numbers, list(potential), commands, missing, True, known), given
        )


def _of_version_5(path: Path) -> dict[str, Any]:
    """Variables of a file of version 4 to 7.2."""
    from scipy.io import loadmat, whosmat

    shapes = whosmat(str(path))
    need_room(path, 8.0 * sum(float(np.prod(shape, dtype=float)) for _, shape, _ in shapes))
    content = loadmat(str(path), squeeze_me=True, struct_as_record=False, chars_as_strings=True)
    found = {name: value for name, value in content.items() if not name.startswith("__")}
    inside = [(name, getattr(one, name)) for one in found.values() for name in getattr(one, "_fieldnames", [])]
    return {**dict(reversed(inside)), **found}


def _of_version_73(path: Path) -> dict[str, Any]:
    """Numbers in a file of version 7.3, which is HDF5, and those in its structures."""
    return _hdf5.apart(path, lambda: _numbers(path))


def _numbers(path: Path) -> dict[str, Any]:
    import h5py

    found: dict[str, Any] = {}
    with h5py.File(path, "r") as file:
        for holder in (file, *(one for one in file.values() if isinstance(one, h5py.Group) and one.name != "/#refs#")):
            for name, value in holder.items():
                if isinstance(value, h5py.Dataset) and value.dtype.kind in "fiu":
                    need_room(path, 8.0 * float(np.prod(value.shape, dtype=float)))
                    found.setdefault(name, np.squeeze(np.asarray(value[()]).T))
    return found


def _array(
    content: dict[str, Any], wanted: tuple[str, str], usual: tuple[str, ...], unit: str, scale: float = float("nan")
) -> Array | None:
    """Values in hhfit's unit, one row per sweep."""
    name, given_unit = wanted
    if name and name not in content:
        raise InputError(f"has no array {name!r}; it holds {', '.join(content)}")
    names = [name] if name else [one for word in usual for one in content if one.lower() == word]
    for one in names:
        values = np.asarray(content[one])
        if values.dtype.kind in "fiu" and values.ndim in (1, 2) and values.size > 2:
            rows = values.astype(float) * (factor(given_unit, unit) if np.isnan(scale) else scale)
            return rows[None] if rows.ndim == 1 else rows if rows.shape[1] > rows.shape[0] else rows.T
    return None


def _interval(content: dict[str, Any], given: Given) -> float:
    """Sampling step [ms], from the user or from a variable or field that is named like one."""
    if not np.isnan(given.interval):
        return given.interval
    for name, value in content.items():
        if np.size(value) != 1 or np.asarray(value).dtype.kind not in "fiu":
            continue
        if name.lower().replace("_", "") in _RATE and float(value) > 0:
            return 1000.0 / float(value)
        match = _STEP.match(name)
        if match and match[2]:
            return float(value) * factor(match[2], "ms")
    for name, value in content.items():
        if name.lower() in _TIME and np.ndim(value) == 1 and np.asarray(value).dtype.kind in "fiu" and len(value) > 2:
            return _of_time(np.asarray(value, float), name)
    raise InputError("has no sampling rate (a variable such as sampleRate in Hz); pass --interval with the step in ms")


def _of_time(time: Array, name: str) -> float:
    """Sampling step [ms] of a vector of times, in s or ms: only one of them gives a step that recordings have."""
    found = step(time, name)
    return found if STEPS[0] <= found <= STEPS[1] else 1000.0 * found
