"""Which channel of a file holds the response."""

import numpy as np

from hhfit.errors import InputError
from hhfit.readers._given import Given
from hhfit.units import factor, measures


def response_channel(names: list[str], units: list[str], unit: str, file: str, given: Given) -> tuple[int, float]:
    """The channel that holds the response, and the factor to hhfit's unit.

    Args:
        names: Name of every channel.
        units: Unit of every channel, as written in the file.
        unit: Wanted unit, ``mV`` or ``pA``.
        file: Name of the file, for messages.
        given: What the user says.

    Raises:
        InputError: If no channel has the unit, or several have.
    """
    if given.channel:
        found = [k for k, name in enumerate(names) if given.channel in (name, str(k))]
        if not found:
            raise InputError(f"{file}: --channel is {given.channel!r}, must be one of {', '.join(names)}")
    else:
        found = [k for k, text in enumerate(units) if measures(text, unit)]
        exact = [k for k in found if units[k].strip().lower() == unit.lower()]
        found = exact or found
    if not np.isnan(given.voltage_scale):
        found = found or [0]
        return found[0], given.voltage_scale
    described = ", ".join(f"{name} [{text}]" for name, text in zip(names, units, strict=True))
    if not found:
        raise InputError(f"{file}: no channel is in {unit}; it has {described}")
    if len(found) > 1:
        raise InputError(f"{file}: {len(found)} channels are in {unit} ({described}); choose one with --channel NAME")
    return found[0], factor(units[found[0]], unit)
