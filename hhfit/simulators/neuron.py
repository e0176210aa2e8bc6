"""NEURON: the reference; many cells per run, mechanisms generated from the model."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, final

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import DependencyError, InputError, SimulationError
from hhfit.model import NOISE, TEMPERATURE
from hhfit.simulators import _trees
from hhfit.simulators._base import Simulator as Base
from hhfit.simulators._base import row_generator
from hhfit.simulators._cache import folder, need_compiler
from hhfit.simulators._compartments import possible
from hhfit.units import PA_PER_UM2_IN_UA_PER_CM2

CELLS = 100
"""Cells per run: 5 times cheaper per cell than one, and no cheaper beyond."""

LIBRARY = "*/libnrnmech.*"
"""Where nrnivmodl puts what it builds."""

CELSIUS = 6.3
"""NEURON's own temperature [degC], for models without one: set for every run, used by mechanisms in NMODL alone."""


@final
class Simulator(Base):
    """Runs the model in NEURON, ``CELLS`` rows of a sweep at a time.

    Crank-Nicolson (``secondorder=2``) with staggered ``cnexp`` gates; command and noise are played
    into every cell as a current density at every integration step.
    """

    def _simulate(self, theta: Array, seed: int, index: Array) -> tuple[Array, Array]:
        h = _hoc(self)
        response = np.empty((len(theta), *self.protocol.command.shape))
        reached = possible(self.model, self.model.values(theta))
        response[~reached] = np.nan
        able = np.flatnonzero(reached)
        for start in range(0, len(able), CELLS):
            rows = able[start : start + CELLS]
            cells = _Cells(h, self, theta[rows])
            for sweep in range(self.protocol.n_sweeps):
                traces, done = cells.run(sweep, seed, index[rows])
                response[rows, sweep] = traces
                reached[rows] &= done
        return response, reached


class _Cells:
    """Cells that live in this process for as long as the object does."""

    def __init__(self, h: Any, simulator: Simulator, theta: Array) -> None:  # noqa: ANN401 - hoc
        self.h, self.simulator = h, simulator
        self.values = simulator.model.values(theta)
        plan = _trees.plan(simulator.model)
        each = [{name: float(value[n]) for name, value in self.values.items()} for n in range(len(theta))]
        self.cells = [plan.grow(h, values) for values in each]

    def run(self, sweep: int, seed: int, index: Array) -> tuple[Array, bool]:
        """Membrane potential of one sweep, shape ``(N, T)``, and whether the run reached its end."""
        h, dt = self.h, self.simulator.dt
        steps = (self.simulator.protocol.n_times - 1) * self.simulator.substeps
        records, played = [], []
        for n, cell in enumerate(self.cells):
            density = h.Vector(self._density(n, sweep, seed, int(index[n]), steps))
            density.play(cell.mechanism._ref_command, dt)
            records.append(h.Vector().record(cell.soma._ref_v))
            played.append(density)
        parallel = _fixed_step(h, dt)
        warmth = self.simulator.model.quantities.get(TEMPERATURE)
        h.celsius = CELSIUS if warmth is None else warmth.value
        for n, cell in enumerate(self.cells):
            for section in cell.sections:
                section.v = float(self.values["v_init"][n])
        h.finitialize()
        parallel.psolve((steps + 0.25) * dt)
        for density in played:
            density.play_remove()
        done = abs(h.t - steps * dt) < dt / 2 and all(len(record) == steps + 1 for record in records)
        return np.stack([self._sampled(record, steps) for record in records]), bool(done)

    def _density(self, n: int, sweep: int, seed: int, index: int, steps: int) -> Array:
        """Command and noise of one cell at every integration step [uA/cm2], shape ``(steps + 1,)``."""
        simulator = self.simulator
        command = np.repeat(simulator.protocol.command[sweep], simulator.substeps)[: steps + 1]
        density = command * (PA_PER_UM2_IN_UA_PER_CM2 / self.cells[n].area)
        if simulator.is_noisy:
            normal = row_generator(seed, index, sweep).standard_normal(steps + 1)
            density = density + self.values[NOISE][n] / np.sqrt(simulator.dt) * normal
        return density

    def _sampled(self, record: Any, steps: int) -> Array:  # noqa: ANN401 - hoc Vector
        """Every sample of the protocol; NaN beyond the end of a run that stopped early."""
        potential = np.full(steps + 1, np.nan)
        kept = min(len(record), steps + 1)
        potential[:kept] = np.array(record)[:kept]
        return potential[:: self.simulator.substeps]


def _fixed_step(h: Any, dt: float) -> Any:  # noqa: ANN401 - hoc
    """Set all that a fixed-step run depends on, whatever ran here before; returns the context that runs it."""
    h.CVode().active(0)
    h.dt, h.secondorder, h.celsius, h.t = dt, 2, CELSIUS, 0.0
    h("steps_per_ms = 1")
    h.steps_per_ms = 1.0 / dt
    parallel = h.ParallelContext()
    parallel.set_maxstep(10)
    return parallel


def _hoc(simulator: Simulator) -> Any:  # noqa: ANN401 - hoc
    """The interpreter, with the model's mechanism loaded."""
    try:
        os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")
        from neuron import h
    except ImportError as error:
        raise DependencyError(f"NEURON cannot be imported ({error}); pip install neuron") from None
    files = {mod.suffix: mod.file for mod in simulator.model.mechanisms}
    for name, text in _trees.plan(simulator.model).mechanisms.items():
        if not hasattr(h, name):
            library = _compiled(name, text, files.get(name, ""))
            h.nrn_load_dll(str(library))
            if not hasattr(h, name):
                raise SimulationError(f"NEURON did not load {library}; delete it and try again")
    return h


def _compiled(suffix: str, text: str, file: str = "") -> Path:
    """Shared library of a mechanism, compiled once and kept in the user's cache; ``file`` is whose text it is."""
    base = folder("neuron")
    target = base / suffix
    with open(base / f"{suffix}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(target.glob(LIBRARY)):
            shutil.rmtree(target, ignore_errors=True)
            _compile(suffix, text, base, target, file)
    (library,) = target.glob(LIBRARY)
    return library


def _compile(suffix: str, text: str, base: Path, target: Path, file: str = "") -> None:
    need_compiler("NEURON")
    command = shutil.which("nrnivmodl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if command is None:
        raise DependencyError("nrnivmodl is missing; pip install neuron")
    with tempfile.TemporaryDirectory(dir=base) as scratch:
        work = Path(scratch) / "build"
        work.mkdir()
        (work / f"{suffix}.mod").write_text(text)
        done = subprocess.run([command], cwd=work, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise _complaint(f"{done.stdout}\n{done.stderr}", text, file)
        with contextlib.suppress(OSError):
            os.replace(work, target)


def _complaint(output: str, text: str, file: str) -> InputError | SimulationError:
    """What nrnivmodl complained of, in one sentence; a file of the user's is wrong input."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reason = next((line for line in lines if re.search(r"\berror: |\bat line \d+", line, re.IGNORECASE)), lines[-1])
    reason = re.sub(r".*?\berror: ", "", reason, flags=re.IGNORECASE)
    if not file:
        return SimulationError(f"nrnivmodl could not build the model: {reason}")
    if found := re.search(r" at line (\d+) in file .*", reason):
        line, reason = int(found.group(1)), reason[: found.start()]
    else:
        word = re.search(r"[\u2018'](\w+)[\u2019']", reason)
        hits = [n for n, row in enumerate(text.splitlines(), 1) if word and re.search(rf"\b{word.group(1)}\b", row)]
        line = hits[0] if hits else 0
    return InputError(f"{file}{f':{line}' if line else ''}: nrnivmodl cannot build it: {reason}")
