"""The commands that fit: fit, resume, demo."""

import logging
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    Temperature,
    VoltageScale,
    fixed_values,
    given,
    parse_area,
    parse_numbers,
)
from hhfit.cli._console import Bars, InterruptedCommandError, bars, stdout

if TYPE_CHECKING:
    from hhfit.result import FitResult

Json = Annotated[bool, typer.Option("--json", help="Print summary.json on stdout and nothing else there.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that is already there.")]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Worker processes; 0 for one per core.")]
Scheduler = Annotated[
    str, typer.Option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler, such as tcp://10.0.0.1:8786.")
]
Earlier = Annotated[
    str, typer.Option("--from", metavar="DIR", help="An earlier run whose simulations from the prior are taken over.")
]
Network = Annotated[
    str,
    typer.Option(
        metavar="DIR",
        help="An earlier fit with --method npe of the same model, features and command: its trained network is used, "
        "nothing is simulated to train one, and --simulations is what that fit had.",
    ),
]
Directory = Annotated[str, typer.Argument(metavar="DIR", help="Run directory that hhfit fit wrote.")]


def fit(  # noqa: PLR0913 - one argument per option
    recording: Annotated[str, typer.Argument(metavar="RECORDING", help="Recording (hhfit list formats).")],
    *,
    model: Annotated[str, typer.Option(help="A bundled name (hhfit list models) or a TOML file.")] = "pospischil",
    sweeps: Annotated[
        str,
        typer.Option(
            help="Sweeps to fit, by number (0,3,5-8) or by step (100pA,200pA or 50..200pA); auto spreads 6 over the "
            "F-I curve, silent ones among them, and keeps up to 3 between them back."
        ),
    ] = "auto",
    validate: Annotated[
        str,
        typer.Option(help="Sweeps kept back to be predicted, named like --sweeps.", show_default=False),
    ] = "",
    features: Annotated[str, typer.Option(help="A bundled name (hhfit list features) or a TOML file.")] = "spiking",
    method: Annotated[str, typer.Option(help="Inference method (hhfit list methods).")] = "tsnpe",
    simulator: Annotated[str, typer.Option(help="Simulator (hhfit list simulators).")] = "batched",
    rounds: Annotated[int, typer.Option(help="Rounds that the simulations are split into.")] = 5,
    simulations: Annotated[int, typer.Option(help="Simulations in all.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Same seed, same samples.csv.")] = 0,
    tolerance: Annotated[
        float,
        typer.Option(help="How far the model may miss a feature, in half interquartile ranges of its prediction."),
    ] = 0.05,
    fail_on: Annotated[
        str,
        typer.Option(
            help="Outcomes that count as failed simulations, beside those that leave no trace: of silent, "
            "spontaneous, block, runaway, diverging."
        ),
    ] = "runaway,diverging",
    lost_mass: Annotated[
        float,
        typer.Option(help="Share of usable simulations that may be lost by leaving out parameters that will fail."),
    ] = 0.001,
    ljp: LiquidJunction = NAN,
    bridge: Bridge = NAN,
    temperature: Temperature = NAN,
    area: Annotated[
        str, typer.Option(metavar="UM2|fit", help="Membrane area [um2], or fit; by default from the passive response.")
    ] = "",
    window: Annotated[str, typer.Option(metavar="START,STOP", help="Stretch of every sweep to fit [ms].")] = "",
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Fix a quantity, such as g_m=0.05.")
    ] = None,
    out: Annotated[str, typer.Option(metavar="DIR", help="Run directory to write; by default runs/NAME.")] = "",
    overwrite: Overwrite = False,
    stimulus: Stimulus = "",
    voltage_scale: VoltageScale = NAN,
    channel: Channel = "",
    columns: Columns = "",
    interval: Interval = NAN,
    earlier: Earlier = "",
    network: Network = "",
    workers: Workers = 0,
    scheduler: Scheduler = "",
    as_json: Json = False,
) -> None:
    """Fit a model to a recording and write a run directory with a report.

    Example: hhfit fit cell7.abf --sweeps 0-5 --ljp -14 --out runs/cell7
    """
    from hhfit import model as models
    from hhfit import pipeline, planning, readers
    from hhfit import sweeps as choices
    from hhfit.preparation import Corrections

    area_um2, fit_area = parse_area(area)
    fitted, kept = choices.parse(sweeps), choices.parse(validate, "--validate")
    corrections = Corrections(
        ljp, temperature, area_um2, fit_area, window=parse_numbers(window, "--window", 2), bridge=bridge
    )
    neuron = models.load(model)
    fixed = fixed_values(neuron, values or [])
    neuron = neuron.with_values(fixed).with_priors(dict.fromkeys(fixed))
    settings = planning.Settings(
        features,
        method,
        simulator,
        simulations,
        rounds,
        seed,
        tolerance=tolerance,
        fail_on=fail_on,
        lost_mass=lost_mass,
        network=network,
    )
    measured = readers.read(recording, given(stimulus, voltage_scale, channel, columns, interval))
    corrections = replace(corrections, sweeps=fitted.of(measured), validation=kept.of(measured))
    folder = Path(out or f"runs/{Path(recording).stem}")
    with running(folder) as progress:
        result = pipeline.fit(
            measured,
            neuron,
            settings,
            corrections,
            out=folder,
            overwrite=overwrite,
            earlier=earlier,
            workers=workers,
            scheduler=scheduler,
            progress=progress,
        )
    show(result, folder, as_json)


def resume(directory: Directory, *, workers: Workers = 0, scheduler: Scheduler = "", as_json: Json = False) -> None:
    """Continue a run that was interrupted; it ends in the same posterior.

    Example: hhfit resume runs/cell7
    """
    from hhfit import pipeline

    folder = Path(directory)
    with running(folder) as progress:
        result = pipeline.resume(folder, workers=workers, scheduler=scheduler, progress=progress)
    show(result, folder, as_json)


def demo(
    *,
    out: Annotated[str, typer.Option(metavar="DIR", help="Run directory to write.")] = "runs/demo",
    simulations: Annotated[int, typer.Option(help="Simulations in all.")] = 3000,
    seed: Annotated[int, typer.Option(help="Same seed, same samples.csv.")] = 0,
    overwrite: Overwrite = False,
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    """Fit the bundled synthetic recording, whose true parameters the report shows.

    Example: hhfit demo --out runs/demo
    """
    from hhfit import pipeline

    folder = Path(out)
    with running(folder) as progress:
        result = pipeline.demo(
            simulations=simulations, seed=seed, out=folder, overwrite=overwrite, workers=workers, progress=progress
        )
    show(result, folder, as_json)


@contextmanager
def running(folder: Path) -> Iterator[Bars]:
    """Progress bars, and what to do next when the run is interrupted."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.INFO)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.getLogger("hhfit").addHandler(handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with bars() as progress:
            yield progress
    except KeyboardInterrupt:
        raise InterruptedCommandError(f"interrupted; hhfit resume {folder} goes on from where it stopped") from None


def show(result: "FitResult", folder: Path, as_json: bool) -> None:
    """Print what a user wants to know first."""
    if as_json:
        sys.stdout.write((folder / "summary.json").read_text())
        return
    table = Table(box=None)
    for heading in ("parameter", "unit", "mean", "sd", "2.5 %", "97.5 %", *(["true"] if result.truth else [])):
        table.add_column(heading, justify="left" if heading in ("parameter", "unit") else "right")
    for p, (name, unit) in enumerate(zip(result.posterior.prior.names, result.posterior.prior.units, strict=True)):
        column, low, high = result.samples[:, p], *result.quantiles[p, [0, 4]]
        numbers = [column.mean(), column.std(), low, high, *([result.truth[name]] if result.truth else [])]
        table.add_row(name, unit, *(f"{number:.4g}" for number in numbers))
    stdout.print(table)
    show_verdict(result.checks)
    stdout.print(f"report: {folder / 'report.html'}", markup=False)


def show_verdict(checks: Mapping[str, Any]) -> None:
    """Print the verdict with its reasons."""
    stdout.print(f"verdict: {checks['verdict']['word']}", style="bold")
    for reason in checks["verdict"]["reasons"]:
        stdout.print(f"  {reason['level']}: {reason['sentence']}", markup=False)
