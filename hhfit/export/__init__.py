"""Take a fit elsewhere: NEURON, Brian2, tables, ArviZ.

    write(result, folder)       # folder/neuron, folder/brian2, folder/parameter_sets.csv
    representatives(result, n)  # parameter sets: the most probable first, then ones far apart
    arviz_groups(result)        # arviz.from_dict(**groups) makes an InferenceData of it

The scripts run by themselves, without hhfit: they hold the most probable parameters and the recorded
command, and repeat the very noise that the report's blue trace had.
"""

import csv
from pathlib import Path

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import UnsupportedError
from hhfit.export import _brian2, _neuron
from hhfit.export._sets import arviz_groups, representatives
from hhfit.result import FitResult

__all__ = ["arviz_groups", "representatives", "write"]


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
    row = result.most_probable
    theta = result.predictive.simulations.theta[row]
    index = int(result.predictive.simulations.index[row])
    for name, files in (
        ("neuron", _neuron.files(result, theta, index)),
        ("brian2", _brian2.files(result, theta, index)),
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (folder / name / file).write_text(text, encoding="utf-8")
        _save_sweeps(result, folder / name / "sweeps.npz")
    _save_sets(result.posterior.names, representatives(result, n), folder / "parameter_sets.csv")
    return folder


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


def _save_sets(names: tuple[str, ...], theta: Array, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([[repr(float(value)) for value in row] for row in theta])
