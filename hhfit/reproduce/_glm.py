"""The Bernoulli GLM with the inputs, spikes and priors of the paper's runs."""

from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.references import Glm, normal


@dataclass(frozen=True, eq=False)
class Observed:
    """A GLM with the observation of one of the paper's runs.

    Args:
        problem: The GLM, driven by the run's input.
        x_o: Spike count and spike-triggered sums, shape ``(10,)``.
    """

    problem: Glm
    x_o: Array


def camera_ready() -> Observed:
    """The run of the camera-ready notebooks: one seed 42 gives the input's seed and then the spikes."""
    stream = np.random.RandomState(42)
    current = np.random.RandomState(stream.randint(0, 2**31)).randn(100)
    return _observed(current, stream.uniform(size=100))


def scripts() -> Observed:
    """The run of the submission's scripts: input seed 42, spike seed 1."""
    return _observed(np.random.RandomState(42).randn(100), np.random.RandomState(1).uniform(size=100))


def _observed(current: Array, uniform: Array) -> Observed:
    problem = Glm(Glm.of_paper().prior, current)
    spikes = uniform < 1 / (1 + np.exp(-problem.design @ problem.truth))
    return Observed(problem, spikes @ problem.design)


def sampler_prior(problem: Glm) -> Glm:
    """The GLM under the prior of the paper's Gibbs sampler, which is not the one that SNPE was given."""
    lower = np.eye(9) - np.eye(9, k=-1)
    precision = np.zeros((10, 10))
    precision[0, 0] = 1.0
    precision[1:, 1:] = (lower @ lower).T @ (lower @ lower)
    covariance = np.linalg.inv(precision)
    sd = np.sqrt(np.diag(covariance))
    return Glm(normal(sd, covariance / np.outer(sd, sd)), problem.current)


SAMPLER_MEAN = np.array([-1.545, 0.412, 1.002, 1.086, 0.567, 0.263, 0.231, 0.173, 0.093, 0.008])
SAMPLER_SD = np.array([0.309, 0.280, 0.332, 0.336, 0.305, 0.283, 0.270, 0.265, 0.268, 0.301])
"""Exact posterior under the sampler's prior; the stored figure agrees to 0.004."""

SAME_MEAN = np.array([-1.630, 0.438, 1.046, 1.114, 0.571, 0.235, 0.199, 0.158, 0.079, -0.003])
SAME_SD = np.array([0.326, 0.290, 0.343, 0.343, 0.306, 0.280, 0.265, 0.260, 0.260, 0.280])
"""Exact posterior under SNPE's own prior."""

STORED_MEAN = np.array([-1.704, 0.5, 1.208, 1.256, 0.704, 0.308, 0.187, 0.185, 0.083, 0.086])
STORED_SD = np.array([0.34, 0.339, 0.339, 0.373, 0.344, 0.291, 0.281, 0.288, 0.28, 0.327])
"""A fit of SNPE-B by the authors, 25,000 simulations, read off a stored figure."""
