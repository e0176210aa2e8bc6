"""The difference between a model and a neuron: noise on simulated features, so that no feature is matched too well."""

from dataclasses import dataclass, replace

import numpy as np

from hhfit.arrays import Array
from hhfit.simulations import Simulations

_STREAM = 0x9E3779B97F4A7C15
"""Keeps this noise apart from the simulator's, which uses the seed itself."""


@dataclass(frozen=True, eq=False)
class Discrepancy:
    """Noise that is added to simulated features before inference.

    A feature is mapped by ``asinh((x - centre) / width)``, normal noise is added there, and it is mapped back: the
    noise is absolute near the centre and relative in the tails, as for spike counts and intervals.

    Args:
        centre: Median of every feature under the prior, shape ``(F,)``.
        width: Half of its interquartile range, shape ``(F,)``.
        amount: Standard deviation of the noise.
        seed: Seed of the fit; a row's noise depends on it and on the row's index alone.
    """

    centre: Array
    width: Array
    amount: float
    seed: int

    @classmethod
    def of(cls, prior: Simulations, amount: float, seed: int) -> "Discrepancy":
        """Noise of a size measured on simulations of the prior.

        Example:
            >>> rows = Simulations(np.zeros((9, 1)), np.arange(9.0)[:, None], np.zeros(9), np.arange(9))
            >>> bool(np.all(Discrepancy.of(rows, 0.0, seed=1)(rows).x == rows.x))
            True
        """
        columns = [column[np.isfinite(column)] for column in prior.x[prior.usable].T]
        columns = [column if len(column) else np.zeros(1) for column in columns]
        low, centre, high = np.array([np.quantile(column, [0.25, 0.5, 0.75]) for column in columns]).T
        spread = np.array([column.std() for column in columns])
        width = np.where(high > low, (high - low) / 2, spread)
        return cls(centre, width, amount, seed)

    def __call__(self, simulations: Simulations) -> Simulations:
        """The simulations with noise on their features; undefined ones stay undefined."""
        if self.amount == 0:
            return simulations
        noise = np.stack([self._noise(int(index)) for index in simulations.index])
        width = np.where(self.width > 0, self.width, 1.0)
        blurred = np.sinh(np.arcsinh((simulations.x - self.centre) / width) + self.amount * noise) * width + self.centre
        x = np.where(self.width > 0, blurred, simulations.x)
        return replace(simulations, x=x)

    def _noise(self, index: int) -> Array:
        key = np.array([(self.seed + _STREAM) % 2**64, index], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key)).standard_normal(len(self.centre))
