"""Take a fit elsewhere: NEURON, Brian2, tables, ArviZ.

    write(result, folder, n)         # all of the following but ArviZ
    write_neuron(result, folder, n)  # run.py, mechanism.mod, sweeps.npz, parameter_sets.csv
    write_brian2(result, folder, n)  # run.py, sweeps.npz, parameter_sets.csv
    write_sets(result, path, n)      # a CSV of parameter sets: the most probable first, then ones far apart
    write_arviz(result, path, n)     # InferenceData as NetCDF; needs pip install "hhfit[arviz]"
    representatives(result, n)       # those parameter sets
    arviz_groups(result)             # arviz.from_dict(**groups) makes an InferenceData of it

The scripts run by themselves, without hhfit: they hold the recorded command, and repeat the very noise that
the report's blue trace had. ``python run.py`` simulates the most probable parameters, ``python run.py 3``
row 3 (from 0) of the ``parameter_sets.csv`` beside it, which holds every quantity of the model.
"""

import csv
from pathlib import Path

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import DependencyError, UnsupportedError
from hhfit.export import _brian2, _neuron
from hhfit.export._sets import arviz_groups, representatives
from hhfit.result import FitResult

__all__ = ["arviz_groups", "representatives", "write", "write_arviz", "write_brian2", "write_neuron", "write_sets"]


def write(result: FitResult, folder: Path, n: int = 10) -> Path:
    """Write scripts and tables.

    Args:
        result: The fit.
        folder: Folder to write; made if it is missing.
        n: Parameter sets in ``parameter_sets.csv``.

    Returns:
        The folder.

    Raises:
        UnsupportedError: If the model has a morphology.
    """
    if result.model.morphology is not None:
        raise UnsupportedError(f"{result.model.name}: scripts are written for cells of one compartment only")
    write_neuron(result, folder / "neuron", n)
    write_brian2(result, folder / "brian2", n)
    write_sets(result, folder / "parameter_sets.csv", n)
    return folder


def write_neuron(result: FitResult, folder: Path, n: int) -> Path:
    """Write a NEURON script with its mechanism; returns the folder."""
    row = result.most_probable
    simulations = result.predictive.simulations
    return _write(result, folder, _neuron.files(result, simulations.theta[row], int(simulations.index[row])), n)


def write_brian2(result: FitResult, folder: Path, n: int) -> Path:
    """Write a Brian2 script; returns the folder."""
    row = result.most_probable
    simulations = result.predictive.simulations
    return _write(result, folder, _brian2.files(result, simulations.theta[row], int(simulations.index[row])), n)


def write_sets(result: FitResult, path: Path, n: int) -> Path:
    """Write ``n`` parameter sets as CSV, to a file or into a folder; returns the file."""
    path = path if path.suffix else path / "parameter_sets.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    _save_table(path, result.posterior.names, representatives(result, n))
    return path


def write_arviz(result: FitResult, path: Path, n: int) -> Path:
    """Write all draws as ArviZ InferenceData, to a NetCDF file or into a folder; returns the file.

    Raises:
        DependencyError: If ArviZ is not installed.
    """
    try:
        import arviz
    except ImportError:
        raise DependencyError('ArviZ is not installed; pip install "hhfit[arviz]"') from None
    path = path if path.suffix else path / "posterior.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    arviz.from_dict(**arviz_groups(result)).to_netcdf(str(path))
    return path


def _write(result: FitResult, folder: Path, files: dict[str, str], n: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")
    _save_sweeps(result, folder / "sweeps.npz")
    values = result.model.values(representatives(result, n))
    _save_table(folder / "parameter_sets.csv", tuple(values), np.stack(list(values.values()), axis=1))
    return folder


def _save_table(path: Path, names: tuple[str, ...], rows: Array) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([[repr(float(value)) for value in row] for row in rows])


def _save_sweeps(result: FitResult, path: Path) -> None:
    recording, protocol = result.recording, result.recording.protocol
    np.savez_compressed(
        path,
        command=protocol.command,
        recorded=recording.response,
        on=protocol.on,
        off=protocol.off,
        sweeps=recording.sweeps,
        dt=protocol.dt,
    )
