"""Neurons as the papers simulate them, with the noise streams of their observations."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hhfit import extractors, readers
from hhfit import model as models
from hhfit.arrays import Array
from hhfit.extractors import FeatureSet
from hhfit.model import Model
from hhfit.prior import Prior
from hhfit.protocol import Protocol
from hhfit.recording import Recording
from hhfit.simulations import Simulations, join
from hhfit.task import Simulation
from hhfit.traces import Traces

AREA = 15393.8
"""Membrane area of both papers' synthetic neuron [um2]."""
STEP = 0.01
"""Integration step of both papers' synthetic traces [ms]."""
BLOCK = 6_000_000
"""Samples simulated at a time: what fits into a few hundred megabytes."""
STRICT = 10.005
"""Start of the stimulus [ms] that leaves its first sample out of the window, as the papers' strict bounds do."""


@dataclass(frozen=True, eq=False)
class Neuron:
    """A neuron under a protocol, seen through a feature set.

    Args:
        model: The neuron.
        protocol: The command.
        features: The features.
        seed: Seed of the noise.
        step: Largest integration step [ms].
    """

    model: Model
    protocol: Protocol
    features: FeatureSet
    seed: int = 0
    step: float = STEP

    @property
    def prior(self) -> Prior:
        """The model's prior."""
        return self.model.prior

    @property
    def truth(self) -> Array:
        """The model's reference values, shape ``(P,)``."""
        return self.model.reference

    @property
    def task(self) -> Simulation:
        """What simulates and extracts."""
        return Simulation(self.model, self.protocol, self.features, "batched", self.step)

    def simulate(self, theta: Array, first: int) -> Simulations:
        """Features and outcomes of parameter sets, numbered from ``first``."""
        index, size = first + np.arange(len(theta)), max(BLOCK // self.protocol.command.size, 16)
        starts = range(0, len(theta), size)
        return join([self.task(theta[i : i + size], self.seed, index[i : i + size]) for i in starts])

    def traces(self, theta: Array, first: int) -> Traces:
        """Responses of few parameter sets."""
        return self.task.simulate(theta, self.seed, first + np.arange(len(theta)))

    def extract(self, response: Array) -> Array:
        """Features of responses ``(N, S, T)``, shape ``(N, F)``."""
        return self.features(response, self.protocol)


def synthetic(name: str, features: str, seed: int) -> Neuron:
    """The model of a paper under its step of 0.5 nA from 10 to 110 ms, 12,001 samples."""
    command = np.zeros((1, 12_001))
    command[0, round(10 / STEP) : round(110 / STEP)] = 500.0
    protocol = Protocol(command, STEP, np.array([10.0]), np.array([110.0]))
    return Neuron(models.load(name), protocol, extractors.load(features), seed)


def observed(neuron: Neuron, theta: Array, stream: int) -> Array:
    """The response with the noise that the papers' code draws, shape ``(1, S, T)``.

    Noise enters like a current, so that the stream of ``RandomState(stream)`` is added to the command of a neuron
    without noise: sample by sample what the papers' simulators do.

    Args:
        neuron: The neuron.
        theta: Parameters, with the noise among them.
        stream: Seed of the paper's noise.
    """
    free = list(neuron.model.free)
    area = neuron.model.quantities["area"].value
    draws = np.random.RandomState(stream).randn(neuron.protocol.n_times - 1)
    current = np.append(theta[free.index("noise")] * draws / np.sqrt(neuron.protocol.dt), 0.0)
    command = neuron.protocol.command + current * area * 1e-2
    quiet = neuron.model.with_values({"noise": 0.0}).with_priors({"noise": None})
    noisy = replace(neuron.protocol, command=command)
    still = np.delete(theta, free.index("noise"))
    task = replace(neuron.task, model=quiet, protocol=noisy)
    # without noise the default scheme would be another one
    scheme = neuron.model.integrator or "exponential-euler"
    from hhfit.simulators.batched import Simulator

    return Simulator(task.model, task.protocol, STEP, scheme=scheme)(still[None], 0).response


def strict_features(neuron: Neuron, response: Array) -> Array:
    """Features ``(F,)`` with the papers' strict window, whose rest ends where the stimulus begins."""
    strict = replace(neuron.protocol, on=np.array([STRICT]))
    values = neuron.features(response, strict)[0]
    before = [f.window == "before" for f in neuron.features.features]
    return np.where(before, neuron.features(response, neuron.protocol)[0], values)


JUNCTION = -14.0
"""Added to every Allen recording [mV]."""


@dataclass(frozen=True)
class Cell:
    """An Allen recording of the second paper.

    Args:
        name: Cell and sweep.
        area: Membrane area [um2]: time constant / input resistance at 1 uF/cm2, as in the paper's code.
    """

    name: str
    area: float

    def path(self, folder: Path) -> Path:
        """The recording's file."""
        cell, sweep = self.name.split("/")
        return folder / "pkl" / f"ephys_cell_{cell}_sweep_number_{sweep}.pkl"

    def load(self, folder: Path) -> Recording:
        """The recording as it is stored, without correction for the junction."""
        return readers.read(self.path(folder))

    def neuron(self, folder: Path, seed: int) -> tuple[Neuron, Array]:
        """The paper's neuron of this cell, and its corrected recording ``(1, 1, T)``."""
        recording = self.load(folder)
        response = recording.response[None] + JUNCTION
        model = models.load("pospischil").with_values({"area": self.area, "v_init": float(response[0, 0, 0])})
        features = extractors.load("goncalves2020")
        return Neuron(model, recording.protocol, features, seed, recording.protocol.dt), response


def _cell(name: str, tau: float, resistance: float) -> Cell:
    return Cell(name, tau / resistance * 1e8)


CELLS = (
    _cell("518290966/57", 0.0234, 126.0),
    _cell("509881736/39", 0.0153, 184.0),
    _cell("566517779/46", 0.0195, 198.0),
    _cell("567399060/38", 0.0259, 161.0),
    _cell("569469018/44", 0.033, 403.0),
    _cell("532571720/42", 0.0139, 127.0),
    _cell("555060623/34", 0.0294, 320.0),
    _cell("534524026/29", 0.027, 209.0),
    _cell("532355382/33", 0.0199, 230.0),
    _cell("526950199/37", 0.0186, 218.0),
)
"""Cells of Goncalves et al. 2020 with time constant [s] and input resistance [MOhm]."""


def at_hand(folder: Path) -> list[Cell]:
    """Cells whose recordings a folder holds."""
    return [cell for cell in CELLS if cell.path(folder).is_file()]
