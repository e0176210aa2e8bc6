"""Runs, recordings and rows that tests of the run directory share."""

import numpy as np

from hhfit import protocol
from hhfit.recording import Recording
from hhfit.run import RunDirectory
from hhfit.simulations import Simulations

SETTINGS = {"method": "tsnpe", "seed": 3, "ljp": None, "sweeps": [0, 3], "model": {"text": "x = 1\n", "area": 2.5}}


def ignore(stage, done, total, note):
    pass


def recording():
    command = protocol.step(np.array([-20.0, 50.0]), on=10.0, off=40.0, duration=50.0, dt=0.5)
    response = np.random.default_rng(1).normal(-70.0, 1.0, command.command.shape)
    return Recording(response, command, np.array([0, 3]), {"name": "cell.abf", "sha256": "ab"})


def create(path, **changes):
    return RunDirectory.create(path, SETTINGS, recording(), **{"overwrite": False, "listener": ignore, **changes})


def simulations(first, n, parameters=2):
    generator = np.random.default_rng(first)
    x = generator.normal(size=(n, 3))
    x[0, 1] = np.nan
    return Simulations(generator.random((n, parameters)), x, np.zeros(n), np.arange(first, first + n))


def same(a, b):
    return all(np.array_equal(getattr(a, f), getattr(b, f), equal_nan=True) for f in ("theta", "x", "status", "index"))


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
