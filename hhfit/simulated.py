"""Simulated sweeps as a file: what was simulated, with what, and how it ended."""

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hhfit.arrays import Array, need_shape
from hhfit.errors import InputError
from hhfit.protocol import CLAMPS, Protocol
from hhfit.recording import Recording
from hhfit.traces import Status, Traces, is_failed

_NEEDED = ("response", "command", "dt", "on", "off", "clamp", "theta", "names", "units", "status", "origin")


@dataclass(frozen=True, eq=False)
class Simulated:
    """Simulated sweeps of N parameter sets.

    Args:
        traces: Responses ``(N, S, T)`` and outcomes.
        protocol: The command of every sweep.
        theta: Parameters, shape ``(N, P)``.
        names: Names of the parameters.
        units: Their units.
        origin: How they were made: ``model``, ``simulator``, ``seed`` and so on.

    Raises:
        InputError: If shapes differ.
    """

    traces: Traces
    protocol: Protocol
    theta: Array
    names: tuple[str, ...]
    units: tuple[str, ...]
    origin: Mapping[str, str]

    def __post_init__(self) -> None:
        n = len(self.traces.status)
        need_shape("response", self.traces.response, (n, self.protocol.n_sweeps, self.protocol.n_times))
        need_shape("theta", self.theta, (n, len(self.names)))
        need_shape("units", np.array(self.units), (len(self.names),))

    @property
    def outcomes(self) -> dict[str, int]:
        """How many parameter sets ended how."""
        status, counts = np.unique(self.traces.status, return_counts=True)
        return {Status(one).name.lower(): int(count) for one, count in zip(status, counts, strict=True)}

    def recording(self, name: str) -> Recording:
        """Sweeps of all parameter sets that did not fail, one set after the other, as a recording.

        Raises:
            InputError: If all failed.
        """
        good = np.flatnonzero(~is_failed(self.traces.status))
        if not len(good):
            raise InputError(f"{name}: every simulation failed, so there is no sweep to write")
        old, n = self.protocol, len(good)
        tiled = Protocol(np.tile(old.command, (n, 1)), old.dt, np.tile(old.on, n), np.tile(old.off, n), old.clamp)
        rows = [dict(zip(self.names, values, strict=True)) for values in self.theta[good].tolist()]
        known = {"name": name, **self.origin, "parameters": json.dumps(rows), "units": json.dumps(self.units)}
        response = self.traces.response[good].reshape(n * old.n_sweeps, old.n_times)
        return Recording(response, tiled, np.arange(n * old.n_sweeps), known)

    def save(self, path: Path) -> None:
        """Write an .npz: ``response`` [mV] ``(N, S, T)``, ``command`` [pA] ``(S, T)``, ``dt``, ``on``, ``off`` [ms],
        ``theta`` ``(N, P)`` with ``names`` and ``units``, ``status`` with ``status_names``, ``clamp``, the units of
        response and command, and ``origin`` (JSON). It is whole or not there.

        Raises:
            OSError: If it cannot be written.
        """  # noqa: D205
        protocol = self.protocol
        command_unit, response_unit = CLAMPS[protocol.clamp]
        beside = path.with_name(path.name + ".writing")
        try:
            with open(beside, "wb") as file:
                np.savez(
                    file,
                    response=self.traces.response,
                    command=protocol.command,
                    dt=np.array(protocol.dt),
                    on=protocol.on,
                    off=protocol.off,
                    clamp=np.array(protocol.clamp),
                    theta=self.theta,
                    names=np.array(self.names),
                    units=np.array(self.units),
                    status=self.traces.status,
                    status_names=np.array([Status(one).name.lower() for one in self.traces.status]),
                    response_unit=np.array(response_unit),
                    command_unit=np.array(command_unit),
                    origin=np.array(json.dumps(dict(self.origin))),
                )
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)


def load(path: Path) -> Simulated:
    """Simulated sweeps from a file that ``save`` wrote.

    Raises:
        InputError: If it is missing, damaged, or something else.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with open(path, "rb") as content, np.load(content, allow_pickle=False) as file:
            a = {name: file[name] for name in _NEEDED if name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, NotImplementedError, MemoryError, SyntaxError) as error:
        raise InputError(f"{path}: damaged or no .npz file: {error}; make it again with hhfit simulate") from None
    missing = [name for name in _NEEDED if name not in a]
    if missing:
        raise InputError(f"{path}: lacks {', '.join(missing)}; make it with hhfit simulate MODEL --out {path.name}")
    try:
        protocol = Protocol(a["command"], float(a["dt"]), a["on"], a["off"], str(a["clamp"]))
        names, units = (tuple(str(word) for word in a[key]) for key in ("names", "units"))
        origin = {str(key): str(value) for key, value in json.loads(str(a["origin"])).items()}
        found = Simulated(Traces(a["response"], a["status"]), protocol, a["theta"], names, units, origin)
        _ = found.outcomes
        return found
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: damaged: {error}; make it again with hhfit simulate") from None
