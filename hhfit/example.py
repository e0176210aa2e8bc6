"""The synthetic recording that ships with hhfit, and how it was made.

``python -m hhfit.example FOLDER`` makes it again from ``synthetic_cell.toml``.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hhfit import library, readers, simulators
from hhfit import model as models
from hhfit.protocol import step
from hhfit.recording import Recording
from hhfit.writing import write_nwb

NAME = "synthetic_cell"


def folder() -> Path:
    """Where the example lies."""
    return library.folder("data") / "example"


def recipe() -> Mapping[str, Any]:
    """What it was made of: model, values, protocol, seed."""
    path = folder() / f"{NAME}.toml"
    return library.parse(library.read(path), path.name)


def truth() -> dict[str, float]:
    """True values of the quantities of the model that made it, by name."""
    return {name: float(value) for name, value in recipe()["values"].items()}


def load() -> Recording:
    """The recording, read from its NWB file as any other would be."""
    return readers.read(folder() / f"{NAME}.nwb")


def make() -> Recording:
    """Simulate the recording again."""
    table = recipe()
    neuron = models.load(table["model"]).with_values(truth())
    amplitudes = np.array(table["step"]["amplitudes"], float)
    times = {name: float(table["step"][name]) for name in ("on", "off", "duration", "dt")}
    protocol = step(amplitudes, **times)
    simulator = simulators.get(table["simulator"], neuron, protocol, step=float(table["simulation_step"]))
    response = simulator(neuron.reference[None], int(table["seed"])).response[0]
    single = response.astype("float32").astype(float)  # half the size on disk
    return Recording(single, protocol, np.arange(len(amplitudes)), {"name": f"{NAME}.nwb", "origin": "synthetic"})


if __name__ == "__main__":
    write_nwb(
        make(), Path(sys.argv[1]) / f"{NAME}.nwb", description="SYNTHETIC: simulated by hhfit, not a recorded cell"
    )
