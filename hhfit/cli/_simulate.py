"""The command that simulates: parameters in, sweeps out."""

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.table import Table

from hhfit import __version__
from hhfit.cli._arguments import fixed_values
from hhfit.cli._console import bars, stdout, told
from hhfit.errors import InputError

if TYPE_CHECKING:
    from hhfit.arrays import Array
    from hhfit.model import Model
    from hhfit.protocol import Protocol
    from hhfit.simulated import Simulated
    from hhfit.simulators import Simulator
    from hhfit.traces import Traces

SUFFIXES = (".npz", ".nwb")

MOST_SERIES = 1000
"""An NWB file gets no more sweeps than this: each is a group of its own."""

SHOWN_AFTER = 3.0
"""Seconds after which a progress bar appears."""

_BLOCK_BYTES = 2**26


def simulate(  # noqa: PLR0913 - one argument per option
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A bundled name (hhfit list models) or a TOML file.")],
    *,
    protocol: Annotated[
        str,
        typer.Option(
            help="A bundled name (hhfit list protocols), a TOML file, or a recording whose command is injected again."
        ),
    ],
    out: Annotated[str, typer.Option(metavar="FILE", help="File to write: .npz for us, .nwb for others.")],
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Value of a quantity, such as g_na=50.")
    ] = None,
    n: Annotated[
        int,
        typer.Option(
            "--n", min=0, help="Parameter sets drawn from the prior; 0 simulates the model's own values once."
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same draws and same noise.")] = 0,
    simulator: Annotated[str, typer.Option(help="Simulator (hhfit list simulators).")] = "batched",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file that is already there.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")
    ] = False,
) -> None:
    """Simulate a model and write its sweeps, for hhfit features or for other programs.

    An .npz holds response [mV] (N, S, T), command [pA] (S, T), dt [ms], theta (N, P), names, units and status;
    an .nwb holds every sweep of every parameter set that did not fail, one after the other.

    Example: hhfit simulate pospischil --protocol steps --set g_na=40 --out sweeps.nwb
    """
    from hhfit import model as models
    from hhfit import simulators
    from hhfit.simulated import Simulated

    path = Path(out)
    _need_place(path, overwrite)
    neuron = models.load(model)
    fixed = fixed_values(neuron, values or [])
    neuron = neuron.with_values(fixed)
    command = _command(protocol)
    _need_room(path, max(n, 1), command)
    theta = _theta(neuron, fixed, n, seed)
    began = time.monotonic()
    traces = _run(simulators.get(simulator, neuron, command), theta, seed)
    origin = {"origin": "synthetic: simulated by hhfit", "hhfit": __version__, "model": neuron.name}
    origin |= {"model_hash": neuron.hash, "simulator": simulator, "protocol": Path(protocol).name, "seed": str(seed)}
    units = tuple(neuron.quantities[name].unit for name in neuron.free)
    simulated = Simulated(traces, command, theta, neuron.free, units, origin)
    if traces.failed.all():
        raise InputError(
            f"{neuron.name}: every simulation failed: {_sentence(traces)}; nothing was written; choose other values"
        )
    with told(out):
        _write(simulated, path)
    _show(simulated, path, time.monotonic() - began, as_json)


def _need_place(path: Path, overwrite: bool) -> None:
    if path.suffix not in SUFFIXES:
        raise InputError(f"--out is {str(path)!r}, must end in {' or '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise InputError(f"--out is {str(path)!r}: there is no folder {path.parent}; make it first")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: is already there; choose another name or pass --overwrite")


def _command(name: str) -> "Protocol":
    """A bundled protocol, one of a TOML file, or that of a recording."""
    from hhfit import plugins, readers
    from hhfit import protocol as protocols

    if Path(name).suffix.removeprefix(".").lower() in plugins.names("readers"):
        return readers.read(name).decimate().protocol
    return protocols.load(name)


def _theta(neuron: "Model", fixed: dict[str, float], n: int, seed: int) -> "Array":
    """Parameters ``(N, P)``: the model's own values once, or draws from the prior with some values fixed."""
    if n == 0:
        return neuron.reference[None]
    theta = neuron.prior.sample(n, seed)
    for p, name in enumerate(neuron.free):
        theta[:, p] = fixed.get(name, theta[:, p])
    return theta


def _need_room(path: Path, n: int, protocol: "Protocol") -> None:
    if path.suffix == ".nwb" and n * protocol.n_sweeps > MOST_SERIES:
        raise InputError(
            f"--n {n} with {protocol.n_sweeps} sweeps each makes {n * protocol.n_sweeps} sweeps, an .nwb holds at most "
            f"{MOST_SERIES}; write an .npz"
        )
    needed = 8.0 * n * protocol.command.size
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
    free = float(os.sysconf(pages)) * os.sysconf("SC_PAGE_SIZE")
    if 2.5 * needed > free:
        raise InputError(
            f"--n {n} makes {needed / 2**30:.1f} GiB of potentials, {free / 2**30:.1f} GiB of memory are free; "
            "simulate fewer at a time, with another --seed each"
        )


def _run(simulator: "Simulator", theta: "Array", seed: int) -> "Traces":
    """Simulate in blocks; a bar appears when it takes long."""
    from hhfit.traces import Traces

    size = max(int(_BLOCK_BYTES / (8 * simulator.protocol.command.size)), 1)
    response = np.empty((len(theta), *simulator.protocol.command.shape))
    status = np.zeros(len(theta), int)
    began = time.monotonic()
    with bars() as progress:
        for first in range(0, len(theta), size):
            rows = slice(first, first + size)
            part = simulator(theta[rows], seed, np.arange(len(theta))[rows])
            response[rows], status[rows] = part.response, part.status
            if time.monotonic() - began > SHOWN_AFTER:
                progress("simulating", min(first + size, len(theta)), len(theta), "")
    return Traces(response, status)


def _write(simulated: "Simulated", path: Path) -> None:
    from hhfit.writing import write_nwb

    if path.suffix == ".npz":
        simulated.save(path)
        return
    beside = path.with_name(path.stem + ".writing.nwb")
    try:
        write_nwb(
            simulated.recording(path.name), beside, description="SYNTHETIC: simulated by hhfit, not a recorded cell"
        )
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _sentence(traces: "Traces") -> str:
    from hhfit.traces import Status

    return Status(int(np.bincount(traces.status).argmax())).sentence


def _show(simulated: "Simulated", path: Path, seconds: float, as_json: bool) -> None:
    protocol, n = simulated.protocol, len(simulated.theta)
    if as_json:
        document = {
            "out": str(path),
            "parameter_sets": n,
            "sweeps": protocol.n_sweeps,
            "dt_ms": protocol.dt,
            "duration_ms": protocol.duration,
            "parameters": dict(zip(simulated.names, simulated.theta.T.tolist(), strict=True)),
            "units": dict(zip(simulated.names, simulated.units, strict=True)),
            "outcomes": simulated.outcomes,
            "seconds": seconds,
            **simulated.origin,
        }
        stdout.print_json(json.dumps(document))
        return
    table = Table(box=None)
    for heading in ("parameter", "unit", *(["value"] if n == 1 else ["smallest", "largest"])):
        table.add_column(heading, justify="left" if heading in ("parameter", "unit") else "right")
    for name, unit, column in zip(simulated.names, simulated.units, simulated.theta.T, strict=True):
        ends = [column[0]] if n == 1 else [column.min(), column.max()]
        table.add_row(name, unit, *(f"{value:.5g}" for value in ends))
    stdout.print(table)
    outcomes = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in simulated.outcomes.items())
    stdout.print(
        f"{n} parameter set(s), {protocol.n_sweeps} sweep(s) of {protocol.duration:g} ms every {protocol.dt:g} ms: "
        f"{outcomes}"
    )
    stdout.print(f"written: {path}", markup=False)
