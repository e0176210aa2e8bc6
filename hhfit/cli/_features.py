"""The command that measures: features of recorded or simulated sweeps."""

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.table import Table

from hhfit.cli._arguments import (
    NAN,
    Bridge,
    Channel,
    Columns,
    Interval,
    LiquidJunction,
    Stimulus,
    VoltageScale,
    given,
)
from hhfit.cli._console import stdout
from hhfit.errors import InputError

if TYPE_CHECKING:
    from hhfit.arrays import Array
    from hhfit.extractors import Feature, FeatureSet
    from hhfit.protocol import Protocol

MOST_SHOWN = 24
"""Sweeps shown as a table; more go to --csv or --json."""

ACROSS = 8
"""Sweeps side by side."""


@dataclass(frozen=True, eq=False)
class _Measured:
    """Features ``(N, S, K)`` of S sweeps of N parameter sets; N is 1 for a recording."""

    name: str
    features: "tuple[Feature, ...]"
    values: "Array"
    sweeps: "Array"
    steps: "Array"
    simulated: bool


def features(  # noqa: PLR0913 - one argument per option
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="Recording (hhfit list formats), or .npz of hhfit simulate.")
    ],
    *,
    features: Annotated[str, typer.Option(help="A bundled name (hhfit list features) or a TOML file.")] = "spiking",
    sweeps: Annotated[
        str, typer.Option(help="Sweeps to measure, by number (0,3,5-8) or step (50..200pA); by default all.")
    ] = "",
    ljp: LiquidJunction = NAN,
    bridge: Bridge = NAN,
    stimulus: Stimulus = "",
    voltage_scale: VoltageScale = NAN,
    channel: Channel = "",
    columns: Columns = "",
    interval: Interval = NAN,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a row per sweep, separated by commas.")] = False,
) -> None:
    """Measure features of every sweep, recorded or simulated, in their units; blank is undefined.

    Example: hhfit features cell7.abf --features spiking --csv
    """
    from hhfit import extractors, readers
    from hhfit import sweeps as choices
    from hhfit.preparation import Corrections

    if as_json and as_csv:
        raise InputError("--json and --csv were both given; choose one")
    chosen = extractors.load(features)
    if not chosen.features:
        raise InputError(f"feature set {chosen.name!r} has no named features, only samples for a network; use another")
    if Path(source).suffix == ".npz":
        options = {"--sweeps": sweeps, "--stimulus": stimulus, "--channel": channel, "--columns": columns}
        unfit = [name for name, text in options.items() if text]
        unfit += [name for name, value in {"--ljp": ljp, "--bridge": bridge}.items() if value == value]
        if unfit:
            raise InputError(f"{source}: {unfit[0]} is for recordings, not for simulated sweeps; leave it out")
        measured = _of_simulated(Path(source), chosen)
    else:
        recording = readers.read(source, given(stimulus, voltage_scale, channel, columns, interval))
        if recording.protocol.clamp != "current":
            raise InputError(f"{recording.name}: is a voltage-clamp recording; features are those of a potential")
        numbers = choices.parse(sweeps).of(recording) or tuple(recording.sweeps.tolist())
        recording = Corrections(ljp, bridge=bridge).of(recording).select(list(numbers))
        values = _values(chosen, recording.response[None], recording.protocol)
        amplitude = recording.protocol.amplitude
        measured = _Measured(recording.name, chosen.features, values, recording.sweeps, amplitude, False)
    if as_json:
        sys.stdout.write(json.dumps(_document(measured, chosen.name), indent=1) + "\n")
    elif as_csv:
        _print_csv(measured)
    else:
        _print_table(measured)


def _of_simulated(path: Path, chosen: "FeatureSet") -> _Measured:
    from hhfit import simulated

    found = simulated.load(path)
    protocol = found.protocol
    values = _values(chosen, found.traces.response, protocol)
    return _Measured(path.name, chosen.features, values, np.arange(protocol.n_sweeps), protocol.amplitude, True)


def _values(chosen: "FeatureSet", response: "Array", protocol: "Protocol") -> "Array":
    """Named features, shape ``(N, S, K)``; what a network would see is left out."""
    x = chosen(response, protocol).reshape(len(response), protocol.n_sweeps, -1)
    return x[:, :, : len(chosen.features)]


def _rows(measured: _Measured) -> list[tuple[int, int, float, "Array"]]:
    return [
        (row, int(number), float(step), measured.values[row, place])
        for row in range(len(measured.values))
        for place, (number, step) in enumerate(zip(measured.sweeps, measured.steps, strict=True))
    ]


def _document(measured: _Measured, feature_set: str) -> dict[str, Any]:
    names = [feature.name for feature in measured.features]
    rows = []
    for row, sweep, step, values in _rows(measured):
        known = [float(value) if np.isfinite(value) else None for value in values]
        place = {"row": row} if measured.simulated else {}
        rows.append({**place, "sweep": sweep, "step_pA": step, "features": dict(zip(names, known, strict=True))})
    units = {feature.name: feature.unit for feature in measured.features}
    return {"name": measured.name, "features": feature_set, "units": units, "rows": rows}


def _print_csv(measured: _Measured) -> None:
    table = csv.writer(sys.stdout, lineterminator="\n")
    place = ["row"] if measured.simulated else []
    table.writerow([*place, "sweep", "step [pA]", *(f"{one.name} [{one.unit}]" for one in measured.features)])
    for row, sweep, step, values in _rows(measured):
        texts = [repr(float(value)) if np.isfinite(value) else "" for value in values]
        table.writerow([*([row] if measured.simulated else []), sweep, repr(step), *texts])


def _print_table(measured: _Measured) -> None:
    rows = _rows(measured)
    stdout.print(f"{measured.name}: {len(rows)} sweep(s)", markup=False)
    for first in range(0, min(len(rows), MOST_SHOWN), ACROSS):
        shown = rows[first : min(first + ACROSS, MOST_SHOWN)]
        table = Table(box=None)
        table.add_column("feature", no_wrap=True)
        table.add_column("unit", no_wrap=True)
        for row, sweep, step, _ in shown:
            number = f"{row}:{sweep}" if measured.simulated else str(sweep)
            table.add_column(f"{number}\n{step:g} pA", justify="right", no_wrap=True)
        for k, feature in enumerate(measured.features):
            texts = [f"{values[k]:.4g}" if np.isfinite(values[k]) else "" for *_, values in shown]
            table.add_row(feature.name, feature.unit, *texts)
        stdout.print(table)
    if len(rows) > MOST_SHOWN:
        stdout.print(f"{len(rows) - MOST_SHOWN} more sweeps are not shown; --csv or --json prints all")
