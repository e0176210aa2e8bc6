"""Igor packed experiments, their waves through igor2: waves named alike are the sweeps of one signal."""

import re
import struct
from pathlib import Path

from hhfit.errors import InputError
from hhfit.readers import _signals, ibw
from hhfit.readers._assemble import assemble
from hhfit.readers._given import NOTHING, Given
from hhfit.readers._guard import reads
from hhfit.readers._igor import Wave
from hhfit.recording import Recording
from hhfit.units import measures

_TYPE, _SUPERSEDED, _WAVE = 0x7FFF, 0x8000, 3
_NUMBERED = re.compile(r"^(.*?)(\d+)$")


def read(path: Path, given: Given = NOTHING) -> Recording:
    """Read the waves in mV and in pA that share length and sampling; each number in a name is a sweep.

    Raises:
        InputError: If it is not such a file or holds no waves with units.
    """
    with reads(path, "an Igor packed experiment"):
        waves = _waves(path.read_bytes())
        usable = [one for one in waves if measures(one.unit, "mV") or measures(one.unit, "pA")]
        if not usable:
            names = ", ".join(f"{one.name} [{one.unit}]" for one in waves[:6]) or "none"
            raise InputError(f"no wave is in mV or pA (waves: {names}); set the units in Igor, or export to CSV")
        shapes = [(one.values.shape[1], round(one.dt, 9)) for one in usable]
        shape = max(set(shapes), key=shapes.count)
        groups: dict[str, dict[int, Wave]] = {}
        for one, kind in zip(usable, shapes, strict=True):
            if kind == shape:
                match = _NUMBERED.match(one.name)
                groups.setdefault(match[1] if match else one.name, {})[int(match[2]) if match else 0] = one
        numbers = sorted(set.intersection(*(set(group) for group in groups.values())))
        if not numbers:
            raise InputError(f"waves {', '.join(groups)} share no sweep number; export potential and current to CSV")
        data = [[group[number].values[0] for number in numbers] for group in groups.values()]
        units = [group[numbers[0]].unit for group in groups.values()]
        signals = _signals.Signals(path.name, list(groups), units, data, shape[1], numbers)
        return assemble(_signals.sweeps(signals, given), given)


def _waves(content: bytes) -> list[Wave]:
    """Every wave in the file that holds numbers.

    Raises:
        InputError: If the file is no row of records in either byte order.
    """
    found = []
    for record in _records(content):
        try:
            found.append(ibw.load(record))
        except InputError:
            continue
    return found


def _records(content: bytes) -> list[bytes]:
    """Content of the records that are waves; a record begins with its type, version and size."""
    for order in ("<", ">"):
        found, place = [], 0
        while place + 8 <= len(content):
            kind, _, size = struct.unpack_from(f"{order}HHi", content, place)
            if size < 0 or place + 8 + size > len(content):
                break
            if kind & _TYPE == _WAVE and not kind & _SUPERSEDED:
                found.append(content[place + 8 : place + 8 + size])
            place += 8 + size
        if found and place == len(content):
            return found
    raise InputError("is no packed experiment: its records do not fill it; copy the file again, or export to CSV")
