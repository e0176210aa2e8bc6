"""Sweeps of a file put together to one recording."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.protocol import CLAMPS, Protocol, stimulus_window
from hhfit.readers._given import Given
from hhfit.readers._idealise import idealise
from hhfit.recording import Recording

LARGEST = {"mV": 400.0, "pA": 1e6}
"""A response or command beyond this is no patch-clamp recording in that unit."""

SMALLEST = 2.0
"""A membrane potential that stays within this of zero [mV] is in another unit."""

STEPS = (2e-3, 2.0)
"""Sampling steps [ms] of patch-clamp recordings."""

FAINTEST = 1.0
"""A current that changes by less than this in all [pA] moves no cell: it is in another unit."""

REMEDY = "pass --stimulus 'on=MS off=MS first=PA by=PA', or export voltage and current to CSV"


@dataclass(frozen=True, eq=False)
class Sweeps:
    """All sweeps of a file, as far as the file tells.

    Args:
        name: Name of the file.
        clamp: ``"current"`` or ``"voltage"``.
        dt: Sampling step [ms].
        numbers: Number of each sweep in the file.
        responses: Measured response of each sweep in hhfit's unit, each of shape ``(T,)``.
        commands: Command of each sweep in hhfit's unit, each of shape ``(T,)``; empty if unknown.
        missing: Why the commands are unknown; empty if they are known.
        measured: Whether the commands are a recorded channel, with its noise.
        provenance: What else is known, such as where the stimulus was found.
    """

    name: str
    clamp: str
    dt: float
    numbers: Sequence[int]
    responses: Sequence[Array]
    commands: Sequence[Array] = ()
    missing: str = ""
    measured: bool = False
    provenance: Mapping[str, str] = field(default_factory=dict)


def assemble(sweeps: Sweeps, given: Given) -> Recording:
    """One recording of all sweeps, with the stimulus of the file or of the user.

    Raises:
        InputError: If there is no sweep, sweeps differ in length, the stimulus is unknown, never
            changes, or values are impossible.
    """
    name = sweeps.name
    if not len(sweeps.responses) or not len(sweeps.responses[0]):
        raise InputError(f"{name}: holds no samples; check that the file is complete")
    if not (np.isfinite(sweeps.dt) and STEPS[0] <= sweeps.dt <= STEPS[1]):
        raise InputError(
            f"{name}: its sampling step is {sweeps.dt:g} ms, expected {STEPS[0]:g} to {STEPS[1]:g} ms; "
            "correct the unit of time or the rate in the file"
        )
    response = _stacked(sweeps.responses, name, "sweeps")
    command, stimulus = _command(sweeps, given, response.shape)
    dt = float(f"{sweeps.dt:.9g}")
    _need_plausible(name, sweeps.clamp, response, command)
    numbers, good = np.asarray(sweeps.numbers), np.isfinite(response + command).all(axis=1)
    if not good.any():
        raise InputError(f"{name}: every sweep holds NaN or infinite values; export the recording again")
    response, command = response[good], command[good]
    try:
        on, off = stimulus_window(command, dt)
    except InputError:
        text = f"{name}: the command never changes from {command[0, 0]:g} {CLAMPS[sweeps.clamp][0]}"
        raise InputError(f"{text}, so there is no stimulus to fit; {REMEDY}") from None
    provenance = {"name": name, "clamp": sweeps.clamp, **sweeps.provenance, "stimulus": stimulus}
    if not good.all():
        left_out = f"sweeps {', '.join(map(str, numbers[~good]))}, which hold NaN"
        provenance["left out"] = "; ".join(filter(None, [sweeps.provenance.get("left out", ""), left_out]))
    return Recording(response, Protocol(command, dt, on, off, sweeps.clamp), numbers[good], provenance)


def _stacked(rows: Sequence[Array], name: str, what: str) -> Array:
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1:
        raise InputError(
            f"{name}: its {what} have {lengths[0]} to {lengths[-1]} samples, must be equally long; "
            "export sweeps of one length to CSV"
        )
    return np.stack([np.asarray(row, float) for row in rows])


def _command(sweeps: Sweeps, given: Given, shape: tuple[int, ...]) -> tuple[Array, str]:
    """Command of every sweep and a word on where it comes from."""
    if given.stimulus:
        if sweeps.clamp != "current":
            raise InputError(f"{sweeps.name}: is a voltage-clamp recording; --stimulus gives an injected current")
        return given.stimulus.command(*shape, sweeps.dt), "given by the user"
    if not len(sweeps.commands):
        raise InputError(f"{sweeps.name}: {sweeps.missing or 'holds no stimulus'}; {REMEDY}")
    command = _stacked(sweeps.commands, sweeps.name, "commands")
    if command.shape != shape:
        raise InputError(
            f"{sweeps.name}: command has shape {command.shape} and response {shape}, must be alike; {REMEDY}"
        )
    source = sweeps.provenance.get("stimulus", "stored in the file")
    bad = ~np.isfinite(command).all(axis=1)
    if bad.all():
        raise InputError(
            f"{sweeps.name}: the command of sweep {sweeps.numbers[0]} holds NaN or infinite values; {REMEDY}"
        )
    if bad.any():
        return command, source
    steps = idealise(command, sweeps.dt) if sweeps.measured else None
    return (command, source) if steps is None else (steps, f"{source}, idealised to its plateaus")


def _need_plausible(name: str, clamp: str, response: Array, command: Array) -> None:
    command_unit, unit = CLAMPS[clamp]
    if not np.isfinite(response).any():
        raise InputError(f"{name}: every sweep holds NaN or infinite {unit} values; export the recording again")
    extent = float(np.ptp(command[np.isfinite(command)])) if np.isfinite(command).any() else 0.0
    if clamp == "current" and 0.0 < extent < FAINTEST:
        raise InputError(
            f"{name}: the command changes by {extent:.3g} pA in all, which no cell feels, so it is in another unit; "
            "correct the unit in the file, or pass --stimulus"
        )
    largest = float(np.nanmax(np.abs(response)))
    if clamp == "current" and largest < SMALLEST:
        raise InputError(
            f"{name}: the response stays within {largest:.3g} mV of zero, so it is not in the unit that the file says; "
            "pass --voltage-scale with the mV per unit (1000 for volts), or correct the unit"
        )
    for what, values, of in (("response", response, unit), ("command", command, command_unit)):
        finite = values[np.isfinite(values)]
        worst = float(np.abs(finite).max()) if finite.size else 0.0
        if worst > LARGEST[of]:
            remedy = "pass --voltage-scale with the mV per unit" if of == "mV" else "correct the unit in the file"
            raise InputError(
                f"{name}: the {what} reaches {worst:.4g} {of}, expected at most {LARGEST[of]:g} {of}; {remedy}"
            )
