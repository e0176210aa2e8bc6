"""Igor binary waves, through igor2: potential and current in two files whose names differ by the channel."""

import re
import struct
from io import BytesIO
from pathlib import Path

import numpy as np

from hhfit.errors import InputError
from hhfit.protocol import CLAMPS
from hhfit.readers import _signals
from hhfit.readers._assemble import Sweeps, assemble
from hhfit.readers._given import NOTHING, Given
from hhfit.readers._guard import reads
from hhfit.readers._igor import Wave, quiet, wave
from hhfit.recording import Recording
from hhfit.units import factor, measures

_HEADERS = {1: 118, 2: 126, 3: 130, 5: 384}
_POINTS = {1: 8 + 42, 2: 16 + 42, 3: 20 + 42, 5: 64 + 12}
_CHANNEL = re.compile(r"((?:ch(?:an(?:nel)?)?|adc?)[_-]?)(\d+)", re.IGNORECASE)
_POTENTIAL = re.compile(r"(?<![a-z])(vm|voltage|volt|v)(?![a-z])", re.IGNORECASE)
_CURRENT = r"(im|current|curr|i|stim|stimulus|cmd|command)"


def read(path: Path, given: Given = NOTHING) -> Recording:
    """Read the wave of the membrane potential, and the injected current from the file beside it.

    ``B6_Ch3_IDRest_181.ibw`` goes with the other channel of the same name, ``B6_Ch0_IDRest_181.ibw``.

    Raises:
        InputError: If it is not such a file, or is not a potential, or no current lies beside it.
    """
    with reads(path, "an Igor binary wave"):
        response = load(path.read_bytes())
        is_potential = measures(response.unit, "mV") or not np.isnan(given.voltage_scale)
        others = _others(path, response)
        if not is_potential:
            found = [other.name for other, found in others.items() if measures(found.unit, "mV")]
            hint = (
                f"give {found[0]} instead"
                if found
                else "give the file of the membrane potential, or pass --voltage-scale"
            )
            raise InputError(f"is in {response.unit or 'no unit'!r}, expected a membrane potential; {hint}")
        scale = factor(response.unit, "mV") if np.isnan(given.voltage_scale) else given.voltage_scale
        currents = [(other, found) for other, found in others.items() if measures(found.unit, "pA")]
        commands, source, missing = (
            [],
            "",
            "no wave of the current lies beside it under the same name but for the channel (Ch0, Ch1; Vm, Im)",
        )
        if len(currents) == 1 and not given.stimulus:
            other, found = currents[0]
            if abs(found.dt / response.dt - 1) > 1e-6:
                raise InputError(
                    f"is sampled every {response.dt:g} ms and {other.name} every {found.dt:g} ms, must be alike"
                )
            commands, source = list(found.values * factor(found.unit, CLAMPS["current"][0])), f"wave {other.name}"
        elif currents:
            missing = f"{len(currents)} waves of a current lie beside it ({', '.join(o.name for o, _ in currents)})"
        known = {"stimulus": source, "channel": response.name}
        numbers = list(range(len(response.values)))
        responses = list(response.values * scale)
        return assemble(
            Sweeps(path.name, "current", response.dt, numbers, responses, commands, missing, True, known), given
        )


def load(content: bytes) -> Wave:
    """The wave in the content of a file, or of a record of a packed experiment.

    Raises:
        InputError: If it is not such a wave, or is damaged.
    """
    package = _signals.require("igor2.binarywave", "Igor binary waves")
    _check(content)
    with quiet():
        return wave(package.load(BytesIO(content)))


def _check(content: bytes) -> None:
    """Raise unless version, sum and number of points of the header can be; igor2 does not end on some that cannot."""
    head = content[: _HEADERS[5]]
    for order in ("<", ">"):
        version = struct.unpack_from(f"{order}h", head)[0] if len(head) > 1 else 0
        size = _HEADERS.get(version, 0)
        if size and len(head) >= size:
            n_points = struct.unpack_from(f"{order}i", head, _POINTS[version])[0]
            if sum(struct.unpack_from(f"{order}{size // 2}h", head)) & 0xFFFF or not 0 <= n_points <= len(content):
                raise InputError("its header is wrong, so the file is damaged or cut short; copy it again")
            return
    raise InputError(f"is no Igor binary wave; it begins with {head[:2]!r}, expected version 1, 2, 3 or 5")


def _others(path: Path, response: Wave) -> dict[Path, Wave]:
    """Waves beside the file whose names differ from it in the channel, or name a current where it names a potential."""
    match, word = _CHANNEL.search(path.name), _POTENTIAL.search(path.stem)
    if match is not None:
        start, stop, instead = match.start(2), match.end(2), r"\d+"
    elif word is not None:
        start, stop, instead = *word.span(1), _CURRENT
    else:
        return {}
    pattern = re.compile(re.escape(path.name[:start]) + instead + re.escape(path.name[stop:]) + "$", re.IGNORECASE)
    found = {}
    for other in sorted(path.parent.iterdir()):
        if other != path and pattern.match(other.name):
            with reads(other, "an Igor binary wave"):
                loaded = load(other.read_bytes())
            if loaded.values.shape == response.values.shape:
                found[other] = loaded
    return found
