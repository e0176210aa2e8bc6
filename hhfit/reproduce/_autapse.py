"""A neuron that excites itself: stable below a gain of 1, running away above."""

from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.prior import Marginal, Prior
from hhfit.simulations import Simulations
from hhfit.traces import Status

STEP, ON, OFF, TIMES = 0.01, 1000, 11_000, 12_000
"""Integration step [ms], samples at which the input of 1 begins and ends, steps."""


@dataclass(frozen=True, eq=False)
class Autapse:
    """tau dx/dt = (J - 1) x + I + noise, by Euler-Maruyama for 120 ms, seen through its mean during the input.

    Args:
        prior: Prior over J, or J and tau.
        truth: Parameters behind the observation.
        noise: Scale of the noise.
        observation_noise: Sd of the noise added to every sample.
        limit: A last value beyond it is a failed simulation.
        both_sides: Whether a last value below minus ``limit`` fails as well.

    Source:
        Lueckmann et al. 2017, figure 4A-B; versions of its code of 10 and 18 May 2017.
    """

    prior: Prior
    truth: Array
    noise: float
    observation_noise: float
    limit: float
    both_sides: bool

    def run(self, theta: Array, rng: np.random.Generator) -> Array:
        """Rates ``(N, 12001)``."""
        gain, tau = theta[:, 0], theta[:, 1] if theta.shape[1] == 2 else np.ones(len(theta))
        x = np.zeros((TIMES + 1, len(theta)))
        with np.errstate(all="ignore"):
            for i in range(TIMES):
                drive = (gain - 1) * x[i] + (ON <= i < OFF)
                drive = drive + self.noise / np.sqrt(STEP) * rng.standard_normal(len(theta))
                x[i + 1] = x[i] + STEP * drive / tau
            return (x + self.observation_noise * rng.standard_normal(x.shape)).T

    def failing(self, points: int = 1000) -> float:
        """Share of the prior that fails, where J is all that is free: x is normal, of known mean and sd."""
        from scipy.special import ndtr

        low, high = self.prior.support[0]
        growth = 1 + STEP * (low + (np.arange(points) + 0.5) / points * (high - low) - 1)
        powers = growth[:, None] ** np.arange(TIMES)
        mean = STEP * powers[:, TIMES - OFF : TIMES - ON].sum(axis=1)
        sd = self.noise * np.sqrt(STEP * (powers**2).sum(axis=1))
        return float(ndtr((mean - self.limit) / sd).mean())

    def simulate(self, theta: Array, first: int) -> Simulations:
        """Mean rate during the input of parameter sets, numbered from ``first``; a runaway is a failed row."""
        parts = [self._block(theta[i : i + 500], first + i) for i in range(0, len(theta), 500)]
        x, failed = (np.concatenate(column) for column in zip(*parts, strict=True))
        status = np.where(failed, Status.RUNAWAY, Status.OK)
        return Simulations(theta, np.where(failed, np.nan, x)[:, None], status, first + np.arange(len(theta)))

    def _block(self, theta: Array, first: int) -> tuple[Array, Array]:
        rates = self.run(theta, np.random.default_rng((2017, first)))
        last = np.abs(rates[:, -1]) if self.both_sides else rates[:, -1]
        with np.errstate(all="ignore"):
            mean = rates[:, ON:OFF].mean(axis=1)
        return mean, ~(last <= self.limit) | ~np.isfinite(mean)


def _prior(*bounds: tuple[float, float]) -> Prior:
    names = ("gain", "tau")[: len(bounds)]
    return Prior(names, ("1", "ms")[: len(bounds)], tuple(Marginal("uniform", *pair) for pair in bounds))


ONE = Autapse(_prior((0.49, 1.96)), np.array([0.98]), 0.5, 0.0, 100.0, False)
"""One parameter, as in the code of 10 May 2017."""
TWO = Autapse(_prior((0.1, 2.0), (-1.0, 2.5)), np.array([0.95, 1.0]), 15.0, 0.25, 1000.0, True)
"""Two parameters, as in the code at submission; tau may be negative."""
