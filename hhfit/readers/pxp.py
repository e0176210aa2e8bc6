"""Igor packed experiments, through igor2: waves named alike are the sweeps of one signal."""

import re
from pathlib import Path
from typing import Any

from hhfit.errors import InputError
from hhfit.readers import _signals
from hhfit.readers._assemble import assemble
from hhfit.readers._given import NOTHING, Given
from hhfit.readers._guard import reads
from hhfit.readers._igor import Wave, wave
from hhfit.recording import Recording
from hhfit.units import measures

_NUMBERED = re.compile(r"^(.*?)(\d+)$")


def read(path: Path, given: Given = NOTHING) -> Recording:
    """Read the waves in mV and in pA that share length and sampling; each number in a name is a sweep.

    Raises:
        InputError: If it is not such a file or holds no waves with units.
    """
    package = _signals.require("igor2.packed", "Igor packed experiments")
    with reads(path, "an Igor packed experiment"):
        waves = _waves(_tree(package, path))
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


def _tree(package: Any, path: Path) -> Any:  # noqa: ANN401 - igor2
    """Records of the file in either byte order."""
    failures = []
    for order in (None, ">", "<"):
        try:
            return package.load(str(path), initial_byte_order=order)[0]
        except Exception as error:
            failures.append(error)
    raise failures[0]


def _waves(records: Any) -> list[Wave]:  # noqa: ANN401
    found = []
    for record in records:
        content = getattr(record, "wave", None)
        if content is not None:
            try:
                found.append(wave(content))
            except InputError:
                continue
    return found
