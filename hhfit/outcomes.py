"""What became of a simulation, judged on its raw trace before any feature is computed.

A row gets the first name in this order that fits any of its sweeps: not finite, runaway, solver (the voltage stands
still), diverging, spontaneous, block; silent when no sweep has a spike; else ok.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.protocol import Protocol
from hhfit.traces import Status

UNITS = {"still": "ms"}
"""Units of the limits that are not in mV."""


@dataclass(frozen=True)
class Limits:
    """Where one outcome ends and the next begins; a model's table ``[outcomes]`` may set each.

    Args:
        lowest: A membrane potential below this is a runaway [mV].
        highest: One above this is a runaway [mV].
        floor: An oscillation that gets below this three times, or while it grows over four cycles, diverges [mV]: no
            cell gets there by its own currents, whose lowest reversal potential is that of potassium.
        ceiling: The same above this, which lies above the reversal potential of sodium [mV].
        zigzag: A voltage that jumps by more than this at every sample, there and back, six times in a row, is an
            instability of the integrator, hence diverging [mV].
        drift: No steady baseline: the mean of the last quarter before the stimulus is farther than this from that of
            the quarter before [mV]; without spikes, and where at least 40 ms precede the stimulus.
        rise: A spike rises by at least this within 2 ms [mV].
        peak: It rises above this [mV].
        plateau: Depolarisation block: after at least one spike the last fifth of a depolarising stimulus of at least
            40 ms lies above this [mV].
        ripple: That last fifth has no larger range than this [mV].
        still: A voltage that stops moving from one sample to the next and stays exactly the same for this long has a
            solver that stopped [ms].

    Raises:
        InputError: If a limit is not finite, or two contradict each other.
    """

    lowest: float = -200.0
    highest: float = 200.0
    floor: float = -110.0
    ceiling: float = 80.0
    zigzag: float = 10.0
    drift: float = 10.0
    rise: float = 20.0
    peak: float = -30.0
    plateau: float = -45.0
    ripple: float = 20.0
    still: float = 5.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not np.isfinite(value):
                raise InputError(f"outcomes.{name} is {value} {UNITS.get(name, 'mV')}, must be finite")
        for name in ("zigzag", "drift", "rise", "ripple", "still"):
            if getattr(self, name) <= 0:
                raise InputError(f"outcomes.{name} is {getattr(self, name)} {UNITS.get(name, 'mV')}, must be positive")
        if not self.lowest <= self.floor < self.ceiling <= self.highest:
            raise InputError(
                f"outcomes: lowest {self.lowest:g}, floor {self.floor:g}, ceiling {self.ceiling:g} and "
                f"highest {self.highest:g} mV must be in this order"
            )

    @classmethod
    def of(cls, table: Mapping[str, Any], where: str) -> "Limits":
        """The limits that a table ``name = { value, unit }`` sets; the others keep their defaults.

        Raises:
            InputError: If a name or a unit is unknown, or a value is not a number.
        """
        names = [field.name for field in fields(cls)]
        values = {}
        for name, entry in table.items():
            if name not in names:
                raise InputError(f"{where}: outcomes.{name} is unknown; available: {', '.join(names)}")
            unit = UNITS.get(name, "mV")
            if not isinstance(entry, Mapping) or set(entry) != {"value", "unit"} or entry["unit"] != unit:
                raise InputError(f'{where}: outcomes.{name} is {entry!r}, must be {{ value = ..., unit = "{unit}" }}')
            if isinstance(entry["value"], bool) or not isinstance(entry["value"], int | float):
                raise InputError(f"{where}: outcomes.{name} has the value {entry['value']!r}, must be a number")
            values[name] = float(entry["value"])
        try:
            return cls(**values)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None

    def table(self) -> dict[str, dict[str, Any]]:
        """The limits that differ from the defaults: ``Limits.of(limits.table(), "")`` is the same."""
        plain = asdict(Limits())
        return {
            name: {"value": value, "unit": UNITS.get(name, "mV")}
            for name, value in asdict(self).items()
            if value != plain[name]
        }


def judge(response: Array, protocol: Protocol, limits: Limits = Limits()) -> Array:
    """Outcome of every row from its raw trace.

    Args:
        response: Membrane potential [mV], shape ``(N, S, T)``.
        protocol: The command of every sweep.
        limits: Where one outcome ends and the next begins.

    Returns:
        ``Status`` values, shape ``(N,)``. Rows of another shape than the protocol's are all ``SOLVER``.
    """
    n = len(response)
    if response.shape[1:] != protocol.command.shape:
        return np.full(n, Status.SOLVER)
    if response.size == 0:
        return np.full(n, Status.OK)
    from hhfit import _outcomes

    windows = [protocol.samples(*window) for window in protocol.windows]
    ends = [(w.start, w.stop, up) for w, up in zip(windows, protocol.amplitude > 0, strict=True)]
    numbers = _outcomes.Numbers(**asdict(limits))
    return _outcomes.name(np.ascontiguousarray(response), protocol.command, np.array(ends), protocol.dt, numbers)
