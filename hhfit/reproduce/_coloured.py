"""Coloured-noise input of Lueckmann et al. 2017, figure 5."""

import numpy as np

from hhfit import extractors
from hhfit import model as models
from hhfit.arrays import Array
from hhfit.protocol import Protocol
from hhfit.reproduce._neurons import AREA, STEP, Neuron

LEVEL = 500.0 / (AREA * 1e-2)
"""Current density of the step of 0.5 nA [uA/cm2]."""
TAU = 3.0
"""Time constant of the noise [ms]."""
INPUT_SEED = 3
OBSERVED_SEED = 42


def command(duration: float) -> Array:
    """Injected current [pA] of a duration [ms], shape ``(1, T)``."""
    n = round(duration / STEP) + 1
    level = np.zeros(n)
    level[round(10 / STEP) : round((duration - 10) / STEP)] = LEVEL
    noise = np.random.RandomState(INPUT_SEED).randn(n)
    current = np.zeros(n)
    for i in range(1, n):
        kick = 2 * level[i] * np.sqrt(TAU) * noise[i] / np.sqrt(STEP)
        current[i] = current[i - 1] + STEP * (-current[i - 1] + 0.2 * level[i] + kick) / TAU
    return current[None] * AREA * 1e-2


def neuron(duration: float, features: str, seed: int) -> Neuron:
    """The twelve-parameter neuron under coloured noise from 10 ms to 10 ms before the end."""
    protocol = Protocol(command(duration), STEP, np.array([10.0]), np.array([duration - 10]))
    return Neuron(models.load("lueckmann2017"), protocol, extractors.load(features), seed)
