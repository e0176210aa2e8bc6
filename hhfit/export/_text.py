"""What the exported scripts share: what they are, and the numbers."""

import numpy as np

from hhfit.arrays import Array
from hhfit.model import NOISE
from hhfit.result import FitResult
from hhfit.simulators import DEFAULT_STEP

CHOICE = """\
if len(sys.argv) > 1:
    with open(HERE / "parameter_sets.csv", newline="", encoding="utf-8") as file:
        chosen = list(csv.DictReader(file))[int(sys.argv[1])]
    VALUES.update((name, float(value)) for name, value in chosen.items())
    NOISE = VALUES.get("noise", 0.0)
"""
"""Takes another parameter set than the most probable, by its row in the table."""


def header(result: FitResult, steps: str) -> str:
    """Docstring of a script."""
    name = result.recording.name.replace('"', "'").replace("\\", "/")
    version = result.versions.get("hhfit", "")
    title = f'"""Most probable parameters of {name}, model {result.model.name}, fitted by hhfit {version}.'
    return f'{title}\n\n{steps}\nWrites voltage.npz and prints spike counts.\n"""\n\n'


def constants(result: FitResult, theta: Array, index: int) -> str:
    """Definitions of the numbers that a script needs, each with its unit."""
    values = {name: float(column[0]) for name, column in result.model.values(theta[None]).items()}
    step = float(result.settings.get("step", DEFAULT_STEP))
    lines = ["VALUES = {"]
    lines += [f'    "{name}": {value!r},  # {result.model.quantities[name].unit}' for name, value in values.items()]
    lines += [
        "}",
        f"NOISE = {values.get(NOISE, 0.0)!r}  # uA/cm2*ms^0.5",
        f"DT = {result.recording.protocol.dt!r}  # ms",
        f"SUBSTEPS = {int(np.ceil(result.recording.protocol.dt / step - 1e-9))}  # integration steps per sample",
        f"SEED, INDEX = {int(result.settings.get('seed', 0))}, {index}  # of the noise that the report's trace had",
    ]
    return "\n".join(lines)
