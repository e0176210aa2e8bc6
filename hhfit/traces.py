"""Simulated responses, with an outcome for every row."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from hhfit.arrays import Array, need_shape, read_only
from hhfit.errors import InputError


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
    Status.RUNAWAY: "the membrane potential left what is physically possible",
    Status.NOT_FINITE: "the membrane potential became NaN or infinite",
    Status.DIVERGING: "an oscillation grows, or there is no steady baseline",
    Status.SOLVER: "the integrator stopped before the end, or the voltage stands still",
    Status.TIMEOUT: "the simulation took longer than allowed",
    Status.CRASHED: "the simulator's process died",
}

WITHOUT_TRACE = frozenset({Status.NOT_FINITE, Status.SOLVER, Status.TIMEOUT, Status.CRASHED})
"""Outcomes that leave no trace to learn from: these always count as failures."""

MACHINE = frozenset({Status.TIMEOUT, Status.CRASHED})
"""Outcomes that depend on the machine as well as on the parameters."""

FAILED = WITHOUT_TRACE | {Status.RUNAWAY, Status.DIVERGING}
"""Outcomes that count as a failed simulation unless a fit says otherwise."""


def failures(names: Iterable[str]) -> frozenset[Status]:
    """The outcomes that count as failures when these are named; those without a trace always do.

    Raises:
        InputError: If there is no outcome of that name, or it is ``ok``.

    Example:
        >>> sorted(s.name.lower() for s in failures(["silent"]))
        ['crashed', 'not_finite', 'silent', 'solver', 'timeout']
    """
    known, names = {status.name.lower(): status for status in Status if status is not Status.OK}, list(names)
    for name in names:
        if name not in known:
            raise InputError(f"fail_on names the outcome {name!r}, must be among {', '.join(known)}")
    return WITHOUT_TRACE | {known[name] for name in names}


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


def is_failed(status: Array, fail_on: Collection[Status] = FAILED) -> Array:
    """Whether each outcome counts as a failed simulation.

    Args:
        status: ``Status`` values, any shape.
        fail_on: The outcomes that count.

    Example:
        >>> is_failed(np.array([Status.OK, Status.NOT_FINITE]))
        array([False,  True])
    """
    return np.isin(status, [int(s) for s in fail_on])
