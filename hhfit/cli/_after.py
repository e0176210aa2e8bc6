"""The commands for a finished run: check, report, export."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hhfit.cli._console import stdout
from hhfit.cli._fit import Directory, Workers, running, show_verdict
from hhfit.errors import InputError

Json = Annotated[bool, typer.Option("--json", help="Print the verdict as JSON on stdout and nothing else there.")]


class Target(StrEnum):
    """What a fit can be taken to."""

    neuron = "neuron"
    brian2 = "brian2"
    csv = "csv"
    arviz = "arviz"


def check(
    directory: Directory,
    *,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Fit again, smaller, under other assumptions: how far do they matter?")
    ] = False,
    robust: Annotated[
        bool, typer.Option("--robust", help="Infer again while ignoring features that the model cannot meet.")
    ] = False,
    simulations: Annotated[int, typer.Option(min=150, help="Simulations of each refit of --sensitivity.")] = 3000,
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    """Say whether a finished fit can be trusted, and why; exit 3 when it cannot.

    Example: hhfit check runs/cell7 --sensitivity
    """
    from hhfit import diagnostics

    folder = Path(directory)
    path = folder / "summary.json"
    if not path.is_file():
        raise InputError(f"{directory}: holds no finished run; hhfit resume {directory} goes on with one that stopped")
    if sensitivity or robust:
        from hhfit import finished

        with running(folder) as progress:
            if sensitivity:
                finished.add_sensitivity(folder, simulations=simulations, workers=workers, progress=progress)
            if robust:
                finished.add_robust(folder, workers=workers, progress=progress)
    checks = json.loads(path.read_text(encoding="utf-8"))["checks"]
    if as_json:
        sys.stdout.write(json.dumps(checks["verdict"]) + "\n")
    else:
        show_verdict(checks)
        if checks.get("sensitivity"):
            stdout.print("if an assumption were wrong:", style="bold")
            units = {name: row["unit"] for name, row in checks["parameters"].items()}
            for sentence in diagnostics.sentences(checks["sensitivity"]["rows"], units):
                stdout.print(f"  {sentence}", markup=False)
    raise typer.Exit(3 if checks["verdict"]["word"] == diagnostics.BAD else 0)


def report(directory: Directory, *, workers: Workers = 0) -> None:
    """Write the report of a finished run once more, and its figures as PNG and PDF.

    Example: hhfit report runs/cell7
    """
    from hhfit import finished

    folder = Path(directory)
    with running(folder) as progress:
        finished.rewrite(folder, workers=workers, progress=progress)
    stdout.print(f"report: {folder / 'report.html'}", markup=False)


def export(
    directory: Directory,
    *,
    to: Annotated[Target, typer.Option(help="What to write.")],
    out: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="Folder or file to write; by default DIR/export, scripts in a folder of their own there.",
            show_default=False,
        ),
    ] = "",
    sets: Annotated[
        int, typer.Option(min=1, help="Parameter sets: the most probable, then ones far from it that do the same.")
    ] = 10,
    workers: Workers = 0,
) -> None:
    """Take the parameters elsewhere: a NEURON or Brian2 script, a table, ArviZ InferenceData.

    Example: hhfit export runs/cell7 --to neuron --out cell7_neuron
    """
    from hhfit import export as exports
    from hhfit import finished

    folder = Path(directory)
    with running(folder) as progress:
        result = finished.reopen(folder, workers=workers, progress=progress)
    write = {
        Target.neuron: exports.write_neuron,
        Target.brian2: exports.write_brian2,
        Target.csv: exports.write_sets,
        Target.arviz: exports.write_arviz,
    }[to]
    default = folder / "export"
    if to in (Target.neuron, Target.brian2):
        default /= to
    written = write(result, Path(out) if out else default, sets)
    stdout.print(f"written: {written}", markup=False)
