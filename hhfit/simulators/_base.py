"""The seam of all simulators: shapes and bad rows are handled here, once."""

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from hhfit.arrays import Array, need_shape
from hhfit.errors import InputError, UnsupportedError
from hhfit.model import NOISE, POSITIVE_UNITS, Model
from hhfit.outcomes import judge
from hhfit.protocol import Protocol
from hhfit.traces import Status, Traces

DEFAULT_STEP = 0.025
"""Largest integration step [ms] unless told otherwise."""


@dataclass(frozen=True, eq=False)
class Simulator(ABC):
    """Simulates a model's response to a protocol.

    Args:
        model: The neuron.
        protocol: The command of every sweep.
        step: Largest integration step [ms]; the step used divides the protocol's.
        threads: Threads that judge traces, and that ``batched`` simulates in; one by default, since hhfit runs one
            process per core.

    Raises:
        InputError: If ``step`` is not positive.
        UnsupportedError: If the protocol is a voltage clamp.
    """

    model: Model
    protocol: Protocol
    step: float = DEFAULT_STEP
    threads: int = 1

    def __post_init__(self) -> None:
        if not self.step > 0:
            raise InputError(f"step is {self.step} ms, must be positive")
        if self.threads < 1:
            raise InputError(f"threads is {self.threads}, must be at least 1")
        if self.protocol.clamp != "current":
            raise UnsupportedError("simulators run current-clamp protocols only; give a current-clamp recording")

    @property
    def substeps(self) -> int:
        """Integration steps per sample of the protocol."""
        return int(np.ceil(self.protocol.dt / self.step - 1e-9))

    @property
    def dt(self) -> float:
        """Integration step [ms]."""
        return self.protocol.dt / self.substeps

    @cached_property
    def is_noisy(self) -> bool:
        """Whether the model has current noise."""
        noise = self.model.quantities.get(NOISE)
        return noise is not None and (noise.value > 0 or noise.prior is not None)

    @final
    def __call__(self, theta: Array, seed: int, index: Array | None = None) -> Traces:
        """Simulate parameter sets.

        Args:
            theta: Parameters in the model's order and units, shape ``(N, P)``.
            seed: Seed of the fit; the noise of a row depends on it and on the row's index alone.
            index: Number of every simulation, shape ``(N,)``; counted from 0 by default.

        Returns:
            Membrane potential [mV] at the protocol's sampling, shape ``(N, S, T)``; the first
            sample is the initial potential. A row whose parameters cannot be, or whose
            simulation fails, is NaN and its status says why.
        """
        theta = np.asarray(theta, float)
        need_shape("theta", theta, (None, len(self.model.free)))
        index = np.arange(len(theta)) if index is None else np.asarray(index)
        need_shape("index", index, (len(theta),))
        possible = self._possible(theta)
        if possible.all() and len(theta):
            response, reached = self._checked(theta, seed, index)
        else:
            response = np.full((len(theta), *self.protocol.command.shape), np.nan)
            reached = np.ones(len(theta), bool)
            if possible.any():
                response[possible], reached[possible] = self._checked(theta[possible], seed, index[possible])
        status = np.where(reached, self._outcomes(response), Status.SOLVER)
        response[np.isin(status, [Status.NOT_FINITE, Status.SOLVER])] = np.nan
        return Traces(response, status)

    def _outcomes(self, response: Array) -> Array:
        """Outcome of every row, judged in as many parts as there are threads."""
        if self.threads == 1:
            return judge(response, self.protocol, self.model.limits)
        with ThreadPoolExecutor(self.threads) as pool:
            parts = np.array_split(response, self.threads)
            return np.concatenate(list(pool.map(lambda part: judge(part, self.protocol, self.model.limits), parts)))

    def _checked(self, theta: Array, seed: int, index: Array) -> tuple[Array, Array]:
        """What ``_simulate`` returns; traces of a wrong length did not reach their end."""
        response, reached = self._simulate(theta, seed, index)
        wanted = (len(theta), *self.protocol.command.shape)
        if response.shape != wanted:
            return np.full(wanted, np.nan), np.zeros(len(theta), bool)
        return response, reached

    @abstractmethod
    def _simulate(self, theta: Array, seed: int, index: Array) -> tuple[Array, Array]:
        """Membrane potential ``(N, S, T)`` [mV] of possible parameter sets; whether each reached its end ``(N,)``."""

    def _possible(self, theta: Array) -> Array:
        possible = np.isfinite(theta).all(axis=1)
        for p, name in enumerate(self.model.free):
            if self.model.quantities[name].unit in POSITIVE_UNITS:
                possible &= theta[:, p] >= 0
        return possible


def row_generator(seed: int, index: int, sweep: int) -> np.random.Generator:
    """The generator of one sweep of one simulation, whatever batch it runs in."""
    return np.random.Generator(np.random.Philox(key=[seed, index * 4096 + sweep]))


def need_rates(model: Model, name: str) -> None:
    """Raise unless all channels of a model are written as rates.

    Raises:
        UnsupportedError: If one is in NMODL.
    """
    for mechanism in model.mechanisms:
        raise UnsupportedError(
            f"{model.name}: simulator {name!r} cannot run {mechanism.file}, which is NMODL; take --simulator neuron"
        )


def need_point(model: Model, name: str) -> None:
    """Raise unless a model is of one compartment, with channels of rates alone.

    Raises:
        UnsupportedError: If it has a morphology or a channel in NMODL.
    """
    need_rates(model, name)
    if model.morphology is not None:
        raise UnsupportedError(
            f"{model.name}: simulator {name!r} runs cells of one compartment only, and this one has a morphology; "
            "take --simulator batched or neuron"
        )
