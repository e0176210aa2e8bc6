"""Simulated responses, with an outcome for every row."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from hhfit.arrays import Array, need_shape, read_only

PHYSICAL = (-200.0, 200.0)
"""Membrane potentials [mV] outside this range are a runaway, not a neuron."""


class Status(IntEnum):
    """Outcome of one simulation, judged on its raw trace."""

    OK = 0
    SILENT = 1
    SPONTANEOUS = 2
    BLOCK = 3
    RUNAWAY = 4
    NOT_FINITE = 5
    DIVERGING = 6
    SOLVER = 7
    TIMEOUT = 8
    CRASHED = 9

    @property
    def sentence(self) -> str:
        """What it means, for a reader of the report."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.OK: "the simulation ran as it should",
    Status.SILENT: "no sweep has a spike",
    Status.SPONTANEOUS: "spikes before the stimulus",
    Status.BLOCK: "depolarisation block: spiking stops on a plateau",
    Status.RUNAWAY: f"the membrane potential left {PHYSICAL[0]:g}..{PHYSICAL[1]:g} mV",
    Status.NOT_FINITE: "the membrane potential became NaN or infinite",
    Status.DIVERGING: "an oscillation grows, or there is no steady baseline",
    Status.SOLVER: "the integrator stopped before the end",
    Status.TIMEOUT: "the simulation took longer than allowed",
    Status.CRASHED: "the simulator's process died",
}

FAILED = frozenset({Status.RUNAWAY, Status.NOT_FINITE, Status.DIVERGING, Status.SOLVER, Status.TIMEOUT, Status.CRASHED})
"""Outcomes that count as a failed simulation."""


@dataclass(frozen=True, eq=False)
class Traces:
    """Simulated responses.

    Args:
        response: Membrane potential [mV], shape ``(N, S, T)``; NaN where a row failed.
        status: Outcome of every row, shape ``(N,)``.
    """

    response: Array
    status: Array

    def __post_init__(self) -> None:
        response = np.asarray(self.response)
        response.setflags(write=False)
        object.__setattr__(self, "response", response)
        object.__setattr__(self, "status", read_only(self.status, int))
        need_shape("response", self.response, (None, None, None))
        need_shape("status", self.status, (len(self.response),))

    @property
    def failed(self) -> Array:
        """Whether each row is a failed simulation, shape ``(N,)``."""
        return is_failed(self.status)


def is_failed(status: Array) -> Array:
    """Whether each outcome counts as a failed simulation.

    Example:
        >>> is_failed(np.array([Status.OK, Status.NOT_FINITE]))
        array([False,  True])
    """
    return np.isin(status, [int(s) for s in FAILED])


def judge(response: Array) -> Array:
    """Outcome of every row from its raw trace.

    Args:
        response: Membrane potential [mV], shape ``(N, S, T)``.

    Returns:
        ``Status`` values, shape ``(N,)``.
    """
    if response.size == 0:
        return np.full(len(response), Status.OK)
    return outcome(response.min(axis=(1, 2)), response.max(axis=(1, 2)))


def outcome(low: Array, high: Array) -> Array:
    """Outcome of every row from its lowest and its highest membrane potential [mV], either NaN after a NaN; ``(N,)``.

    Example:
        >>> outcome(np.array([-80.0, -900.0, -80.0]), np.array([40.0, 0.0, np.nan])).tolist()
        [0, 4, 5]
    """
    finite = np.isfinite(low) & np.isfinite(high)
    with np.errstate(invalid="ignore"):
        away = (low < PHYSICAL[0]) | (high > PHYSICAL[1])
    status = np.where(away, Status.RUNAWAY, Status.OK)
    return np.where(finite, status, Status.NOT_FINITE)
