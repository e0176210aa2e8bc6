"""The command of every sweep, and where its stimulus lies."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hhfit import library
from hhfit.arrays import Array, need_shape, read_only
from hhfit.errors import InputError

CLAMPS = {"current": ("pA", "mV"), "voltage": ("mV", "pA")}
"""Clamp to unit of the command and unit of the response."""

JOIN = 50.0
"""Pulses less than this apart [ms] belong to one stimulus."""

CLEAR, FAINT = 0.02, 0.005
"""A stimulus exceeds the first share of the command's range, and lasts while it exceeds the second."""


@dataclass(frozen=True, eq=False)
class Protocol:
    """The command of every sweep.

    Args:
        command: Command [pA in current clamp, mV in voltage clamp], shape ``(S, T)``,
            absolute, holding included.
        dt: Sampling step [ms].
        on: Start of the stimulus of each sweep [ms from its first sample], shape ``(S,)``.
        off: End of the stimulus of each sweep [ms], shape ``(S,)``.
        clamp: ``"current"`` or ``"voltage"``.

    Raises:
        InputError: If shapes differ, ``dt`` is not positive, a command is not finite, or a
            stimulus window is empty or leaves the sweep.
    """

    command: Array
    dt: float
    on: Array
    off: Array
    clamp: str = "current"

    def __post_init__(self) -> None:
        for name in ("command", "on", "off"):
            object.__setattr__(self, name, read_only(getattr(self, name)))
        need_shape("command", self.command, (None, None))
        need_shape("on", self.on, (self.n_sweeps,))
        need_shape("off", self.off, (self.n_sweeps,))
        if self.clamp not in CLAMPS:
            raise InputError(f"clamp is {self.clamp!r}, must be 'current' or 'voltage'")
        if not (np.isfinite(self.dt) and self.dt > 0):
            raise InputError(f"dt is {self.dt} ms, must be positive")
        if not np.isfinite(self.command).all():
            raise InputError("command holds NaN or infinite values; it must be finite")
        if not ((self.on >= 0) & (self.on < self.off) & (self.off <= self.duration + self.dt)).all():
            raise InputError(
                f"stimulus window {self.on.min():g}-{self.off.max():g} ms must lie inside "
                f"the sweep of {self.duration:g} ms"
            )

    @property
    def n_sweeps(self) -> int:
        """Number of sweeps S."""
        return self.command.shape[0]

    @property
    def n_times(self) -> int:
        """Number of time points T."""
        return self.command.shape[1]

    @property
    def duration(self) -> float:
        """Length of a sweep [ms]."""
        return self.n_times * self.dt

    @property
    def time(self) -> Array:
        """Time of every sample [ms], shape ``(T,)``."""
        return np.arange(self.n_times) * self.dt

    @property
    def amplitude(self) -> Array:
        """Command during the stimulus minus command just before it, shape ``(S,)``.

        The median during the stimulus; in a train of pulses, whose median is the level before, the
        level that lies farthest from it.
        """
        return np.array([self._change(s, on, off) for s, (on, off) in enumerate(self.windows)])

    @property
    def windows(self) -> list[tuple[float, float]]:
        """Start and end of the stimulus of each sweep [ms]."""
        return list(zip(self.on.tolist(), self.off.tolist(), strict=True))

    def samples(self, start: float, stop: float) -> slice:
        """Time points with ``start <= time < stop`` [ms]."""
        first, last = (int(np.ceil(t / self.dt - 1e-6)) for t in (start, stop))
        return slice(max(first, 0), min(max(last, 0), self.n_times))

    def select(self, sweeps: list[int]) -> "Protocol":
        """The protocol of some sweeps, in the order given."""
        return Protocol(self.command[sweeps], self.dt, self.on[sweeps], self.off[sweeps], self.clamp)

    def _change(self, sweep: int, on: float, off: float) -> float:
        changes = self.command[sweep, self.samples(on, off)] - self._before(sweep, on)
        median, farthest = float(np.median(changes)), float(changes[np.argmax(np.abs(changes))])
        is_train = np.mean(np.abs(changes - farthest) < 0.1 * abs(farthest)) > 0.02
        return farthest if is_train and abs(median) < 1e-3 * abs(farthest) else median

    def _before(self, sweep: int, on: float) -> float:
        before = self.samples(on - 10.0, on)
        return float(np.median(self.command[sweep, before])) if before.stop > before.start else 0.0


def stimulus_window(command: Array, dt: float) -> tuple[Array, Array]:
    """Where the stimulus of every sweep begins and ends.

    With several sweeps it is the first large stretch in which their commands, each measured from
    its own first sample, differ: a test pulse common to all is not taken for the stimulus, nor a
    holding current that drifts. Otherwise it is the stretch away from the first level that carries
    the largest charge. Pulses less than ``JOIN`` apart are one stimulus.

    Args:
        command: Command, shape ``(S, T)``.
        dt: Sampling step [ms].

    Returns:
        Start and end [ms], each of shape ``(S,)``.

    Raises:
        InputError: If no command ever changes.

    Example:
        >>> command = np.zeros((2, 100))
        >>> command[0, 20:60] = 50.0
        >>> on, off = stimulus_window(command, dt=0.1)
        >>> float(on[0]), float(off[1])
        (2.0, 6.0)
    """
    away = command - command[:, :1]
    extent = float(np.ptp(command))
    spread = np.ptp(away, axis=0)
    size = spread if spread.max() > CLEAR * extent else np.abs(away).max(axis=0)
    runs = _stretches(size, round(JOIN / dt))
    if extent == 0 or not runs:
        raise InputError("the command never changes, so there is no stimulus to fit")
    charges = [float(size[first:last].sum()) for first, last in runs]
    if size is spread:
        chosen = next(k for k, charge in enumerate(charges) if charge >= 0.5 * max(charges))
    else:
        chosen = int(np.argmax(charges))
    first, last = runs[chosen]
    return np.full(len(command), first * dt), np.full(len(command), last * dt)


def _stretches(size: Array, join: int) -> list[tuple[int, int]]:
    """Stretches that are somewhere clearly above zero, as far as they are above ``FAINT``."""
    top = float(size.max())
    joined: list[tuple[int, int]] = []
    for first, last in _runs(size > FAINT * top) if top > 0 else []:
        if size[first:last].max() <= CLEAR * top:
            continue
        if joined and first - joined[-1][1] <= join:
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return joined


def _runs(mask: Array) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def step(amplitudes: Array, *, on: float, off: float, duration: float, dt: float) -> Protocol:
    """One current step per sweep, from zero.

    Args:
        amplitudes: Step of every sweep [pA], shape ``(S,)``.
        on: Start [ms].
        off: End [ms].
        duration: Length of a sweep [ms].
        dt: Sampling step [ms].
    """
    time = np.arange(round(duration / dt)) * dt
    inside = (time > on - dt / 2) & (time < off - dt / 2)
    command = np.asarray(amplitudes, float)[:, None] * inside
    return Protocol(command, dt, np.full(len(command), on), np.full(len(command), off))


def load(name: str) -> Protocol:
    """A bundled protocol by name, or one from a TOML file.

    The TOML has one table ``[step]`` with ``amplitudes`` [pA] and ``on``, ``off``,
    ``duration``, ``dt`` [ms].
    """
    path = library.find("data/protocols", name)
    table: dict[str, Any] = library.parse(library.read(path), path.name).get("step", {})
    missing = {"amplitudes", "on", "off", "duration", "dt"} - table.keys()
    if missing:
        raise InputError(f"{path.name}: [step] lacks {', '.join(sorted(missing))}")
    times = {key: float(table[key]) for key in ("on", "off", "duration", "dt")}
    return step(np.asarray(table["amplitudes"], float), **times)
