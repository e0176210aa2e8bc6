"""Tasks that the benchmark of runs maps: a load of known cost, real simulators, and both with faults."""

import ctypes
import os
import time
from dataclasses import dataclass, field

import numpy as np

from hhfit import protocol, simulators
from hhfit.extractors import FeatureSet
from hhfit.model import Model
from hhfit.protocol import Protocol
from hhfit.simulations import Simulations
from hhfit.traces import Status
from hhfit.workers import Task

FAULTS = ("segfault", "exit", "hang", "raise", "leak", "wrong shape", "nan", "inf", "1e300")
IN_TRACE = ("nan", "inf", "1e300")
"""Faults that the simulator's own outcome must show; the others cost a process."""


@dataclass(frozen=True)
class Spin(Task):
    """Keeps one core busy for a fixed amount of arithmetic per row; features are noise keyed by row."""

    loops_per_row: int
    n_features: int = 7
    row_bytes: int = 1000

    def __call__(self, theta, seed, index):
        for _ in range(self.loops_per_row * len(theta)):
            pass
        noise = [np.random.Generator(np.random.Philox(key=[seed, i])).standard_normal(self.n_features) for i in index]
        return Simulations(theta, theta[:, :1] + np.array(noise), np.zeros(len(theta)), index)

    def lost(self, theta, index, status):
        return Simulations(theta, np.full((len(theta), self.n_features), np.nan), np.full(len(theta), status), index)


@dataclass(frozen=True)
class Rest(Spin):
    """The same features, after as many microseconds of sleep per row: for rows that do not measure speed."""

    def __call__(self, theta, seed, index):
        time.sleep(1e-6 * self.loops_per_row * len(theta))
        return Spin(0, self.n_features)(theta, seed, index)


def spin(milliseconds):
    """A ``Spin`` that takes about this long per row."""
    start, loops = time.process_time(), 5_000_000
    for _ in range(loops):
        pass
    return Spin(max(1, int(loops * milliseconds / 1e3 / (time.process_time() - start))))


@dataclass(frozen=True)
class Simulate(Task):
    """A simulator, its outcome, and features."""

    simulator: str
    model: Model
    protocol: Protocol
    features: FeatureSet

    @property
    def row_bytes(self):
        return 8 * self.protocol.command.size

    def __call__(self, theta, seed, index):
        traces = simulators.get(self.simulator, self.model, self.protocol)(theta, seed, index)
        return Simulations(theta, self.features(traces.response, self.protocol), traces.status, index)

    def lost(self, theta, index, status):
        n_features = len(self.features.names(self.protocol))
        return Simulations(theta, np.full((len(theta), n_features), np.nan), np.full(len(theta), status), index)


@dataclass(frozen=True)
class WithFaults(Task):
    """A task whose rows with some simulation numbers have a fault, by number."""

    task: Task
    faults: dict[int, str] = field(default_factory=dict)

    @property
    def row_bytes(self):
        return self.task.row_bytes

    def __call__(self, theta, seed, index):
        here = [self.faults[i] for i in index.tolist() if i in self.faults]
        for fault in here:
            _break(fault)
        rows = self.task(theta, seed, index)
        if "wrong shape" in here:
            return Simulations(theta, rows.x[:, :-1], rows.status, index)
        return rows

    def lost(self, theta, index, status):
        return self.task.lost(theta, index, status)


def _break(fault):
    match fault:
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(3600)
        case "raise":
            raise RuntimeError("a simulator that raises")
        case "leak":
            kept = []
            while True:
                kept.append(np.ones(2**24))


def faults(n, share, kinds, seed):
    """Simulation numbers that have a fault, ``share`` of ``n``, the kinds in turn."""
    chosen = np.random.default_rng(seed).choice(n, round(n * share), replace=False)
    return {int(i): kinds[k % len(kinds)] for k, i in enumerate(chosen)}


def expected(n, broken):
    """Status of every row that ``broken`` must lead to, other rows taken as fine."""
    status = np.zeros(n, int)
    for row, fault in broken.items():
        status[row] = Status.TIMEOUT if fault == "hang" else Status.CRASHED
    return status


def step(sweeps=1):
    """A current step of 300 ms in 500 ms."""
    return protocol.step(np.linspace(50.0, 200.0, sweeps), on=100.0, off=400.0, duration=500.0, dt=0.1)
