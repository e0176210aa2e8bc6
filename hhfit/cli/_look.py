"""The commands that look: inspect, list, doctor."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from hhfit import library, plugins
from hhfit.cli._arguments import (
    NAN,
    Bridge,
    Channel,
    Columns,
    Interval,
    LiquidJunction,
    Stimulus,
    Temperature,
    VoltageScale,
    given,
)
from hhfit.cli._console import stdout, told
from hhfit.errors import HHFitError, InputError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]

CONTENT = {"models": "models", "features": "features", "protocols": "data/protocols"}
PLUGINS = {"simulators": "simulators", "methods": "inference", "formats": "readers"}
PACKAGES = (
    "numpy",
    "scipy",
    "torch",
    "sbi",
    "zuko",
    "neuron",
    "brian2",
    "efel",
    "numba",
    "matplotlib",
    "pyabf",
    "pynwb",
)
PACKAGES += ("distributed",)


def list_(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join([*CONTENT, *PLUGINS])}.")],
    *,
    as_json: Json = False,
) -> None:
    """List what hhfit brings: models, features, protocols, simulators, methods, formats.

    Example: hhfit list models
    """
    if kind in CONTENT:
        titles = {name: _title(CONTENT[kind], name) for name in library.names(CONTENT[kind])}
    elif kind in PLUGINS:
        titles = {name: _docstring(PLUGINS[kind], name) for name in plugins.names(PLUGINS[kind])}
    else:
        raise InputError(f"unknown kind {kind!r}; available: {', '.join([*CONTENT, *PLUGINS])}")
    if as_json:
        stdout.print_json(json.dumps(titles))
        return
    table = Table(box=None, show_header=False)
    for name, title in titles.items():
        table.add_row(name, title)
    stdout.print(table)


def _title(kind: str, name: str) -> str:
    path = library.find(kind, name)
    return str(library.parse(library.read(path), path.name).get("title", ""))


def _docstring(folder: str, name: str) -> str:
    return (plugins.get(folder, name).__doc__ or "").strip().splitlines()[0]


def doctor(*, as_json: Json = False) -> None:
    """Check that everything hhfit needs is there and works.

    Example: hhfit doctor
    """
    checks = {"python": _python, "c++ compiler": _compiler, "simulation": _simulation, "processors": _processors}
    rows = {name: _tried(check) for name, check in checks.items()}
    rows |= {name: _installed(name) for name in PACKAGES}
    if as_json:
        stdout.print_json(json.dumps({name: {"ok": ok, "detail": detail} for name, (ok, detail) in rows.items()}))
    else:
        table = Table(box=None, show_header=False)
        for name, (ok, detail) in rows.items():
            table.add_row("[green]ok[/]" if ok else "[red]no[/]", name, detail)
        stdout.print(table)
    if not all(ok for ok, _ in rows.values()):
        raise typer.Exit(1)


def _tried(check: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, check()
    except HHFitError as error:
        return False, str(error)


def _installed(package: str) -> tuple[bool, str]:
    try:
        return True, version(package)
    except PackageNotFoundError:
        return False, f"not installed; pip install {package}"


def _python() -> str:
    return f"{platform.python_version()} at {sys.executable}"


def _compiler() -> str:
    path = shutil.which("c++") or shutil.which("g++")
    if path is None:
        raise InputError("none found; NEURON and Brian2 need one: on Debian, apt-get install g++")
    return path


def _processors() -> str:
    return f"{len(os.sched_getaffinity(0))} usable"


def _simulation() -> str:
    """Simulate 20 ms of a neuron in a worker, as a fit would."""
    import numpy as np

    from hhfit import extractors
    from hhfit import model as models
    from hhfit import protocol as protocols
    from hhfit.task import Simulation
    from hhfit.workers import Workers

    neuron = models.load("pospischil")
    pulse = protocols.step(np.array([100.0]), on=5.0, off=15.0, duration=20.0, dt=0.1)
    task = Simulation(neuron, pulse, extractors.load("goncalves2020"), "neuron", 0.025)
    with Workers(1) as pool:
        (rows,) = pool.map(task, neuron.reference[None], 0, np.arange(1))
    if not rows.usable.all():
        raise InputError(f"a test simulation ended with status {rows.status[0]}")
    return "compiles a model and runs it in a worker process"


def inspect(  # noqa: PLR0913 - one argument per option
    recording: Annotated[str, typer.Argument(metavar="RECORDING", help="Recording (hhfit list formats).")],
    *,
    png: Annotated[str, typer.Option(metavar="FILE", help="Draw all sweeps and the F-I curve there.")] = "",
    ljp: LiquidJunction = NAN,
    bridge: Bridge = NAN,
    temperature: Temperature = NAN,
    stimulus: Stimulus = "",
    voltage_scale: VoltageScale = NAN,
    channel: Channel = "",
    columns: Columns = "",
    interval: Interval = NAN,
    as_json: Json = False,
) -> None:
    """Show what is in a recording, sweep by sweep, and what to be wary of.

    Example: hhfit inspect cell7.abf --png cell7.png
    """
    from hhfit import inspection, readers
    from hhfit.preparation import Corrections

    if png and Path(png).suffix != ".png":
        raise InputError(f"--png is {png!r}, must end in .png")
    corrections = Corrections(ljp, temperature, bridge=bridge)
    measured = readers.read(recording, given(stimulus, voltage_scale, channel, columns, interval))
    summary = inspection.describe(measured, corrections)
    if "chosen" in summary:
        said = {"--ljp": ljp, "--bridge": bridge, "--temperature": temperature, "--voltage-scale": voltage_scale}
        said |= {"--interval": interval}
        options = {option: f"{value:g}" for option, value in said.items() if value == value}
        texts = {"--stimulus": stimulus, "--channel": channel, "--columns": columns}
        options |= {option: text for option, text in texts.items() if text}
        summary["fit"] = inspection.fit_command(recording, summary["chosen"], options)
    if png:
        summary["png"] = png
        with told(png):
            inspection.overview(corrections.of(measured) if "chosen" in summary else measured, png)
    if as_json:
        stdout.print_json(json.dumps(summary))
        return
    _print(summary)


def _print(summary: dict[str, Any]) -> None:
    current, response = ("pA", "mV") if summary["clamp"] == "current" else ("mV", "pA")
    stdout.print(f"{summary['name']}: {len(summary['sweeps'])} {summary['clamp']}-clamp sweep(s), ", end="")
    stdout.print(f"{summary['duration_ms']:g} ms each, sampled every {summary['dt_ms']:g} ms")
    table = Table(box=None)
    for heading in (
        "sweep",
        "stimulus [ms]",
        f"step [{current}]",
        f"holding\n[{current}]",
        f"rest\n[{response}]",
        f"drift\n[{response}]",
        f"noise\n[{response}]",
        "spikes",
    ):
        table.add_column(escape(heading), justify="right")
    for row in summary["sweeps"]:
        window = f"{row['on_ms']:g}-{row['off_ms']:g}"
        numbers = [f"{round(row[key], 1) + 0.0:.1f}" for key in ("step", "holding", "rest", "drift")]
        numbers.append("" if row["noise"] is None else f"{row['noise']:.3f}")
        table.add_row(str(row["sweep"]), window, *numbers, "" if row["spikes"] is None else str(row["spikes"]))
    stdout.print(table)
    _print_passive(summary)
    for warning in summary["warnings"]:
        stdout.print(f"warning: {warning}", style="yellow")
    if summary["clamp"] == "current" and summary["unknown"]:
        stdout.print(f"unknown: {', '.join(summary['unknown'])}")
    if "png" in summary:
        stdout.print(f"overview: {summary['png']}", markup=False)
    if "fit" in summary:
        stdout.print(f"fit it with: {summary['fit']}", markup=False)


def _print_passive(summary: dict[str, Any]) -> None:
    found = summary.get("passive")
    if found is None:
        return
    if found["reason"]:
        stdout.print(f"passive properties: {found['reason']}")
        return
    shown = (
        ("rest", "rest_mv", "rest_sd", "mV", ".1f"),
        ("input resistance", "resistance_mohm", "resistance_sd", "MOhm", ".0f"),
        ("time constant", "tau_ms", "tau_sd", "ms", ".1f"),
        ("capacitance", "capacitance_pf", "capacitance_sd", "pF", ".0f"),
        ("sag", "sag_share", "sag_sd", "", ".2f"),
    )
    texts = []
    for name, key, sd, unit, form in shown:
        if found[key] is not None:
            known = "" if found[sd] is None else f" (sd {found[sd]:.2g})"
            texts.append(f"{name} {found[key]:{form}} {unit}".rstrip() + known)
    texts.append(f"area {found['area_um2']:.0f} um2 at 1 uF/cm2")
    stdout.print(f"passive, from {found['method']}: {', '.join(texts)}", markup=False)
