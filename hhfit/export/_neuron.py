"""A NEURON script and mechanism that repeat the most probable simulation."""

from hhfit.arrays import Array
from hhfit.export._text import CHOICE, constants, header
from hhfit.result import FitResult
from hhfit.simulators import _nmodl

_SCRIPT = '''\
import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
from neuron import h

{constants}
HERE = Path(__file__).resolve().parent
{choice}
SUFFIX = "{suffix}"
if not hasattr(h, SUFFIX):
    if not list(HERE.glob("*/libnrnmech.*")):
        beside = Path(sys.executable).with_name("nrnivmodl")
        subprocess.run([beside if beside.exists() else "nrnivmodl", "."], cwd=HERE, check=True)
    (library,) = HERE.glob("*/libnrnmech.*")
    h.nrn_load_dll(str(library))


def simulate(command, sweep):
    """Membrane potential [mV] for a command [pA] sampled every DT ms."""
    dt, steps = DT / SUBSTEPS, (len(command) - 1) * SUBSTEPS
    cell = h.Section(name="cell")
    cell.L = cell.diam = float(np.sqrt(VALUES["area"] / np.pi))
    cell.cm = VALUES["capacitance"]
    cell.insert(SUFFIX)
    mechanism = getattr(cell(0.5), SUFFIX)
    for name in {used}:
        setattr(mechanism, "q_" + name, VALUES[name])
    density = np.repeat(command, SUBSTEPS)[: steps + 1] * (100.0 / VALUES["area"])
    if NOISE:
        generator = np.random.Generator(np.random.Philox(key=[SEED, INDEX * 4096 + sweep]))
        density = density + NOISE / np.sqrt(dt) * generator.standard_normal(steps + 1)
    drive = h.Vector(density)
    drive.play(mechanism._ref_command, dt)
    voltage = h.Vector().record(cell(0.5)._ref_v)
    h.dt, h.secondorder, h.t, h.steps_per_ms = dt, 2, 0.0, 1.0 / dt
    cell.v = VALUES["v_init"]
    parallel = h.ParallelContext()
    parallel.set_maxstep(10)
    h.finitialize()
    parallel.psolve((steps + 0.25) * dt)
    drive.play_remove()
    return np.array(voltage)[::SUBSTEPS]


h("steps_per_ms = 1")
sweeps = np.load(HERE / "sweeps.npz")
voltages = np.stack([simulate(command, s) for s, command in enumerate(sweeps["command"])])
np.savez_compressed(HERE / "voltage.npz", voltage=voltages, dt=DT)
for s, number in enumerate(sweeps["sweeps"]):
    inside = slice(round(float(sweeps["on"][s]) / DT), round(float(sweeps["off"][s]) / DT))
    up = (voltages[s, inside][:-1] < -20.0) & (voltages[s, inside][1:] >= -20.0)
    print(f"sweep {{number}}: {{up.sum()}} upward crossings of -20 mV")
'''


def files(result: FitResult, theta: Array, index: int) -> dict[str, str]:
    """Text of every file by name, for parameters ``(P,)`` and the number of their simulation."""
    model = result.model
    steps = "python run.py; its first run compiles the mechanism in this folder."
    script = _SCRIPT.format(
        constants=constants(result, theta, index),
        choice=CHOICE,
        suffix=_nmodl.suffix(model),
        used=repr(_nmodl.used(model)),
    )
    return {"run.py": header(result, steps) + script, "mechanism.mod": _nmodl.mechanism(model)}
