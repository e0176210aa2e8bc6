"""Igor binary waves, through igor2: potential and current in two files whose names differ by the channel."""

import re
from pathlib import Path

import numpy as np

from hhfit.errors import InputError
from hhfit.protocol import CLAMPS
from hhfit.readers import _signals
from hhfit.readers._assemble import Sweeps, assemble
from hhfit.readers._given import NOTHING, Given
from hhfit.readers._guard import need_room, reads
from hhfit.readers._igor import Wave, wave
from hhfit.recording import Recording
from hhfit.units import factor, measures

_CHANNEL = re.compile(r"(ch(?:an(?:nel)?)?[_-]?)(\d+)", re.IGNORECASE)


def read(path: Path, given: Given = NOTHING) -> Recording:
    """Read the wave of the membrane potential, and the injected current from the file beside it.

    ``B6_Ch3_IDRest_181.ibw`` goes with the other channel of the same name, ``B6_Ch0_IDRest_181.ibw``.

    Raises:
        InputError: If it is not such a file, or is not a potential, or no current lies beside it.
    """
    with reads(path, "an Igor binary wave"):
        response = _load(path)
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
            "no wave of the current lies beside it under the same name and another channel",
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


def _load(path: Path) -> Wave:
    package = _signals.require("igor2.binarywave", "Igor binary waves")
    head = path.read_bytes()[:512]
    _check(path, head)
    return wave(package.load(str(path)))


def _check(path: Path, head: bytes) -> None:
    """Raise before memory is asked for, if the number of points cannot be."""
    for order in ("little", "big"):
        version = int.from_bytes(head[:2], order)
        if version in (1, 2, 3, 5):
            place = {1: 8 + 42, 2: 16 + 42, 3: 20 + 42, 5: 64 + 12}[version]
            need_room(path, 16.0 * int.from_bytes(head[place : place + 4], order, signed=True))
            return
    raise InputError(f"{path.name}: is no Igor binary wave; it begins with {head[:2]!r}, expected version 1, 2, 3 or 5")


def _others(path: Path, response: Wave) -> dict[Path, Wave]:
    """Waves beside the file whose names differ from it in the number of the channel only."""
    match = _CHANNEL.search(path.name)
    if match is None:
        return {}
    pattern = re.compile(re.escape(path.name[: match.start(2)]) + r"\d+" + re.escape(path.name[match.end(2) :]) + "$")
    found = {}
    for other in sorted(path.parent.iterdir()):
        if other != path and pattern.match(other.name):
            with reads(other, "an Igor binary wave"):
                loaded = _load(other)
            if loaded.values.shape == response.values.shape:
                found[other] = loaded
    return found
