"""A measured response with its protocol and where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from hhfit.arrays import Array, need_shape, read_only
from hhfit.errors import InputError
from hhfit.protocol import CLAMPS, Protocol
from hhfit.units import MV_PER_PA_IN_MOHM

COARSE_STEP = 0.04
"""Recordings sampled more finely than this [ms] are decimated by a whole factor."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A measured response with its protocol.

    Args:
        response: Membrane potential [mV] in current clamp, current [pA] in voltage clamp,
            shape ``(S, T)``.
        protocol: The command of every sweep.
        sweeps: Number of each sweep in the file, shape ``(S,)``.
        provenance: What is known of its origin, such as ``path``, ``format``, ``sha256``.

    Raises:
        InputError: If shapes differ or the response is not finite.
    """

    response: Array
    protocol: Protocol
    sweeps: Array
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "response", read_only(self.response))
        object.__setattr__(self, "sweeps", read_only(self.sweeps, int))
        need_shape("response", self.response, self.protocol.command.shape)
        need_shape("sweeps", self.sweeps, (self.protocol.n_sweeps,))
        bad = ~np.isfinite(self.response).all(axis=1)
        if bad.any():
            raise InputError(
                f"{self.name}: sweep {self.sweeps[bad][0]} holds NaN or infinite {self.unit} values; "
                "leave it out with --sweeps"
            )

    @property
    def name(self) -> str:
        """Name of the file, or ``recording``."""
        return self.provenance.get("name", "recording")

    @property
    def unit(self) -> str:
        """Unit of the response."""
        return CLAMPS[self.protocol.clamp][1]

    @property
    def rest(self) -> Array:
        """Median response before the stimulus, shape ``(S,)``."""
        values = []
        for sweep, (on, _) in enumerate(self.protocol.windows):
            before = self.response[sweep, self.protocol.samples(max(on - 100.0, 0.0), on)]
            values.append(np.median(before) if before.size else self.response[sweep, 0])
        return np.array(values)

    def select(self, numbers: list[int]) -> "Recording":
        """The sweeps with these numbers, in the order given.

        Raises:
            InputError: If a number is not in the recording.
        """
        known = self.sweeps.tolist()
        for number in numbers:
            if number not in known:
                raise InputError(f"{self.name}: no sweep {number}; it has {_ranges(known)}")
        rows = [known.index(number) for number in numbers]
        return replace(
            self, response=self.response[rows], protocol=self.protocol.select(rows), sweeps=self.sweeps[rows]
        )

    def cut(self, start: float, stop: float) -> "Recording":
        """The stretch from ``start`` to ``stop`` [ms]; the stimulus must lie inside.

        Raises:
            InputError: If the stretch is empty, leaves the sweep, or cuts the stimulus.
        """
        old = self.protocol
        if not 0 <= start < stop <= old.duration + old.dt:
            raise InputError(
                f"{self.name}: window {start:g}-{stop:g} ms must lie inside the sweep of {old.duration:g} ms"
            )
        if (old.on < start).any() or (old.off > stop).any():
            raise InputError(
                f"{self.name}: window {start:g}-{stop:g} ms cuts the stimulus at {old.on.min():g}-{old.off.max():g} ms"
            )
        part = old.samples(start, stop)
        moved = part.start * old.dt
        protocol = Protocol(old.command[:, part], old.dt, old.on - moved, old.off - moved, old.clamp)
        return replace(self, response=self.response[:, part], protocol=protocol)

    def shift(self, offset: float) -> "Recording":
        """Add ``offset`` [mV] to the membrane potential: the liquid junction correction."""
        return replace(self, response=self.response + offset)

    def balance(self, resistance: float) -> "Recording":
        """Take the voltage drop over an electrode of ``resistance`` [MOhm] off: the bridge correction."""
        return replace(self, response=self.response - resistance * self.protocol.command / MV_PER_PA_IN_MOHM)

    def decimate(self, coarse: float = COARSE_STEP) -> "Recording":
        """Average whole groups of samples until the step is about ``coarse`` [ms].

        The command is averaged alike, so its edges stay where they were to one new sample.
        """
        old = self.protocol
        group = int(coarse / old.dt + 1e-6)
        if group < 2:
            return self
        length = old.n_times // group * group
        shape = (old.n_sweeps, -1, group)
        protocol = Protocol(
            old.command[:, :length].reshape(shape).mean(axis=2),
            old.dt * group,
            old.on,
            np.minimum(old.off, length * old.dt),
            old.clamp,
        )
        return replace(self, response=self.response[:, :length].reshape(shape).mean(axis=2), protocol=protocol)


def _ranges(numbers: list[int]) -> str:
    contiguous = numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]}-{numbers[-1]}" if contiguous and len(numbers) > 1 else ", ".join(map(str, numbers))
