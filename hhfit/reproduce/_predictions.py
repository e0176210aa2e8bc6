"""What posteriors of neurons predict: modes, predicted features, errors of means."""

import numpy as np

from hhfit.arrays import Array
from hhfit.posterior import Posterior
from hhfit.reproduce._neurons import Neuron
from hhfit.reproduce._work import Parts

PREDICTED = 500_000_000
"""Predictions are numbered from here, so that their noise is never that of a simulation."""


def mode(posterior: Posterior, draws: Array) -> Array:
    """The draw of the highest density, shape ``(P,)``."""
    return draws[int(np.argmax(posterior.log_prob(draws)))]


def summary(posterior: Posterior, n: int) -> Parts:
    """Draws and the mode of a posterior."""
    draws = posterior.sample(n, 1)
    return {"draws": draws, "mode": mode(posterior, draws[:5000])}


def repeated(neuron: Neuron, theta: Array, n: int) -> Parts:
    """Features of ``n`` simulations of one parameter set, and the trace of the first."""
    rows = neuron.simulate(np.repeat(theta[None], n, axis=0), PREDICTED)
    return {"x": rows.x, "trace": neuron.traces(theta[None], PREDICTED).response[0]}


def predicted(neuron: Neuron, draws: Array) -> Array:
    """Features of one simulation of every draw, shape ``(N, F)``."""
    return neuron.simulate(draws, PREDICTED + 10_000).x


def away(draws: Array, truth: Array) -> Array:
    """Distance of the mean of draws from the truth, in their sds, shape ``(P,)``."""
    return np.abs(draws.mean(axis=0) - truth) / draws.std(axis=0)


def thin(trace: Array, most: int = 6000) -> Array:
    """Every k-th sample of a trace, for drawing."""
    return trace[..., :: max(trace.shape[-1] // most, 1)]
