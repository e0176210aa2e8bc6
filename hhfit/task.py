"""One piece of work for a worker: simulate parameter sets, judge them, compute their features."""

from dataclasses import dataclass, fields

import numpy as np

from hhfit import simulators
from hhfit.arrays import Array
from hhfit.extractors import FeatureSet
from hhfit.extractors.spikes import spike_counts
from hhfit.model import Model
from hhfit.protocol import Protocol
from hhfit.simulations import Simulations
from hhfit.traces import FAILED, Status, Traces, is_failed
from hhfit.workers import Task

BYTES_PER_SAMPLE = 32
"""Memory per sample of a simulated response [bytes]: the trace, its noise and a copy for the features."""


@dataclass(frozen=True, eq=False)
class Simulation(Task):
    """Simulates and extracts in one go, so that traces never leave the worker.

    Args:
        model: The neuron.
        protocol: The command of every sweep.
        features: The feature set.
        simulator: Name of the simulator.
        step: Largest integration step [ms].
        fail_on: Outcomes that count as failures.
    """

    model: Model
    protocol: Protocol
    features: FeatureSet
    simulator: str
    step: float
    fail_on: frozenset[Status] = FAILED

    @property
    def row_bytes(self) -> int:
        """Memory that one parameter set takes while it is simulated [bytes]."""
        return BYTES_PER_SAMPLE * self.protocol.command.size

    def __call__(self, theta: Array, seed: int, index: Array) -> Simulations:
        """Features and outcomes of parameter sets ``(N, P)`` numbered ``index`` ``(N,)``."""
        return self.extract(theta, index, self.simulate(theta, seed, index))

    def lost(self, theta: Array, index: Array, status: Status) -> Simulations:
        """Rows that cost their worker: no features, marked with ``status``."""
        n_features = len(self.features.names(self.protocol))
        x = np.full((len(theta), n_features), np.nan)
        return Simulations(theta, x, np.full(len(theta), status), index, self.fail_on)

    def simulate(self, theta: Array, seed: int, index: Array) -> Traces:
        """Traces of parameter sets ``(N, P)`` numbered ``index`` ``(N,)``."""
        return simulators.get(self.simulator, self.model, self.protocol, step=self.step)(theta, seed, index)

    def extract(self, theta: Array, index: Array, traces: Traces) -> Simulations:
        """Features and outcomes of traces; a failed row has no features."""
        failed = is_failed(traces.status, self.fail_on)
        response = np.where(failed[:, None, None], np.nan, traces.response)
        return Simulations(theta, self.features(response, self.protocol), traces.status, index, self.fail_on)


@dataclass(frozen=True, eq=False)
class Predicted:
    """Simulations with their traces.

    Args:
        theta: Parameters, shape ``(N, P)``.
        x: Features, shape ``(N, F)``.
        status: Outcomes, shape ``(N,)``.
        index: Simulation numbers, shape ``(N,)``.
        response: Membrane potential [mV], shape ``(N, S, T)``.
        spikes: Spikes during the stimulus, shape ``(N, S)``; NaN where a row failed.
    """

    theta: Array
    x: Array
    status: Array
    index: Array
    response: Array
    spikes: Array

    @staticmethod
    def names() -> list[str]:
        """Names of its arrays."""
        return [field.name for field in fields(Predicted)]


@dataclass(frozen=True, eq=False)
class Prediction(Task):
    """The same work with traces and spike counts kept: for posterior predictions.

    Args:
        simulation: The work.
    """

    simulation: Simulation

    @property
    def row_bytes(self) -> int:
        """Memory that one parameter set takes while it is simulated [bytes]."""
        return 2 * self.simulation.row_bytes

    def __call__(self, theta: Array, seed: int, index: Array) -> Predicted:
        """Simulations of parameter sets ``(N, P)`` numbered ``index`` ``(N,)``, with traces."""
        return self._predicted(self.simulation.simulate(theta, seed, index), theta, index)

    def lost(self, theta: Array, index: Array, status: Status) -> Predicted:
        """Rows that cost their worker: NaN, marked with ``status``."""
        response = np.full((len(theta), *self.simulation.protocol.command.shape), np.nan)
        return self._predicted(Traces(response, np.full(len(theta), status)), theta, index)

    def _predicted(self, traces: Traces, theta: Array, index: Array) -> Predicted:
        rows = self.simulation.extract(theta, index, traces)
        spikes = spike_counts(traces.response, self.simulation.protocol, self.simulation.features.settings)
        return Predicted(rows.theta, rows.x, rows.status, rows.index, traces.response, spikes)
