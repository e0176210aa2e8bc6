"""Runs of many cells in NEURON's interpreter, whatever solves them."""

import os
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.channel import TEMPERATURE
from hhfit.errors import DependencyError, SimulationError
from hhfit.model import NOISE
from hhfit.simulators import _nrnivmodl, _trees
from hhfit.simulators._base import Simulator, row_generator
from hhfit.simulators._compartments import possible
from hhfit.units import PA_PER_UM2_IN_UA_PER_CM2

CELLS = 100
"""Cells per run: 5 times cheaper per cell than one, and no cheaper beyond."""

CELSIUS = 6.3
"""NEURON's own temperature [degC], for models without one: set for every run, used by mechanisms in NMODL alone."""


class Solver(ABC):
    """What plays currents into cells and integrates them."""

    @abstractmethod
    def play(self, h: Any, density: Array, target: Any, dt: float) -> list[Any]:  # noqa: ANN401 - hoc
        """Play a current density of every step [uA/cm2] into a reference; the vectors, the player first."""

    @abstractmethod
    def solve(self, parallel: Any, until: float) -> None:  # noqa: ANN401 - hoc
        """Integrate everything until a time [ms]."""


def simulate(simulator: Simulator, solver: Solver, theta: Array, *, seed: int, index: Array) -> tuple[Array, Array]:
    """Traces of parameter sets and whether each reached its end, ``CELLS`` rows of a sweep at a time."""
    h = interpreter(simulator)
    response = np.empty((len(theta), *simulator.protocol.command.shape))
    reached = possible(simulator.model, simulator.model.values(theta))
    response[~reached] = np.nan
    able = np.flatnonzero(reached)
    for start in range(0, len(able), CELLS):
        rows = able[start : start + CELLS]
        cells = Cells(h, simulator, theta[rows])
        for sweep in range(simulator.protocol.n_sweeps):
            traces, done = cells.run(solver, sweep, seed=seed, index=index[rows])
            response[rows, sweep] = traces
            reached[rows] &= done
    return response, reached


class Cells:
    """Cells that live in this process for as long as the object does."""

    def __init__(self, h: Any, simulator: Simulator, theta: Array) -> None:  # noqa: ANN401 - hoc
        self.h, self.simulator = h, simulator
        self.values = simulator.model.values(theta)
        plan = _trees.plan(simulator.model)
        each = [{name: float(value[n]) for name, value in self.values.items()} for n in range(len(theta))]
        self.cells = [plan.grow(h, values) for values in each]

    def run(self, solver: Solver, sweep: int, *, seed: int, index: Array) -> tuple[Array, bool]:
        """Membrane potential of one sweep, shape ``(N, T)``, and whether the run reached its end."""
        h, dt = self.h, self.simulator.dt
        steps = (self.simulator.protocol.n_times - 1) * self.simulator.substeps
        records, played = [], []
        for n, cell in enumerate(self.cells):
            density = self._density(n, sweep, seed, int(index[n]), steps)
            played.append(solver.play(h, density, cell.mechanism._ref_command, dt))
            records.append(h.Vector().record(cell.soma._ref_v))
        parallel = fixed_step(h, dt)
        warmth = self.simulator.model.quantities.get(TEMPERATURE)
        h.celsius = CELSIUS if warmth is None else warmth.value
        for n, cell in enumerate(self.cells):
            for section in cell.sections:
                section.v = float(self.values["v_init"][n])
        h.finitialize()
        solver.solve(parallel, (steps + 0.25) * dt)
        for player, *_ in played:
            player.play_remove()
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


def corners(density: Array, dt: float) -> tuple[Array, Array]:
    """Times [ms] and values of the line through a density held from step to step.

    Integrators read the line in the middle of a step. It is level there wherever a value is held for two steps or
    more; a value of one step has a single corner, at the time that adding up half steps gives, rounding included.

    Example:
        >>> corners(np.array([0.0, 0.0, 0.0, 5.0, 5.0]), dt=1.0)
        (array([0.25, 2.75, 3.25, 4.75]), array([0., 0., 5., 5.]))
    """
    starts = np.flatnonzero(np.append(True, density[1:] != density[:-1]))
    ends = np.append(starts[1:], len(density)) - 1
    lone = starts == ends
    first, last = (starts + 0.25) * dt, (ends + 0.75) * dt
    if lone.any():
        first[lone] = np.cumsum(np.full(2 * len(density), 0.5 * dt))[2 * starts[lone]]
    kept = np.stack([np.full(len(lone), True), ~lone], axis=1)
    return np.stack([first, last], axis=1)[kept], np.repeat(density[starts], 2).reshape(-1, 2)[kept]


def fixed_step(h: Any, dt: float) -> Any:  # noqa: ANN401 - hoc
    """Set all that a fixed-step run depends on, whatever ran here before; returns the context that runs it."""
    h.CVode().active(0)
    h.dt, h.secondorder, h.celsius, h.t = dt, 2, CELSIUS, 0.0
    h("steps_per_ms = 1")
    h.steps_per_ms = 1.0 / dt
    parallel = h.ParallelContext()
    parallel.set_maxstep(10)
    return parallel


def interpreter(simulator: Simulator) -> Any:  # noqa: ANN401 - hoc
    """The interpreter, with the model's mechanism loaded."""
    try:
        os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")
        from neuron import h
    except ImportError as error:
        raise DependencyError(f"NEURON cannot be imported ({error}); pip install neuron") from None
    files = {mod.suffix: mod.file for mod in simulator.model.mechanisms}
    for name, text in _trees.plan(simulator.model).mechanisms.items():
        if not hasattr(h, name):
            library = _nrnivmodl.compiled(name, text, files.get(name, ""))
            h.nrn_load_dll(str(library))
            if not hasattr(h, name):
                raise SimulationError(f"NEURON did not load {library}; delete it and try again")
    return h
