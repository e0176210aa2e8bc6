"""Sweeps of a file put together to one recording."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.protocol import Protocol, stimulus_window
from hhfit.recording import Recording


@dataclass(frozen=True, eq=False)
class Sweep:
    """One sweep.

    Args:
        number: Its number in the file.
        response: Measured response in hhfit's unit, shape ``(T,)``.
        command: Command in hhfit's unit, shape ``(T,)``.
        dt: Sampling step [ms].
    """

    number: int
    response: Array
    command: Array
    dt: float


def assemble(sweeps: Sequence[Sweep], clamp: str, name: str) -> Recording:
    """One recording of all sweeps.

    Raises:
        InputError: If there is none, or they differ in length or sampling, or no command changes.
    """
    if not sweeps:
        raise InputError(f"{name}: holds no sweep")
    lengths = {len(sweep.response) for sweep in sweeps} | {len(sweep.command) for sweep in sweeps}
    if len(lengths) > 1:
        raise InputError(
            f"{name}: sweeps or their commands have {min(lengths)} to {max(lengths)} samples; all must be equally long"
        )
    steps = [sweep.dt for sweep in sweeps]
    if np.ptp(steps) > 1e-6 * steps[0]:
        raise InputError(f"{name}: sweeps are sampled every {min(steps):g} to {max(steps):g} ms; all must be alike")
    command = np.stack([sweep.command for sweep in sweeps])
    dt = round(steps[0], 9)
    try:
        on, off = stimulus_window(command, dt)
        protocol = Protocol(command, dt, on, off, clamp)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    response = np.stack([sweep.response for sweep in sweeps])
    return Recording(response, protocol, [sweep.number for sweep in sweeps], {"name": name})
