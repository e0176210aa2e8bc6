"""Problems whose posterior is known in closed form."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from hhfit.prior import Marginal, Prior
from hhfit.simulations import Simulations


@dataclass(frozen=True, eq=False)
class Gaussian:
    """``x = theta + sd * noise`` under a box prior: the posterior is a truncated normal per parameter."""

    prior: Prior
    sd: float
    extra: int = 0
    undefined: float = 0.0
    failing: float = 0.0

    def simulate(self, theta, first):
        rows = [
            np.random.default_rng((7, first + i)).standard_normal(theta.shape[1] + self.extra)
            for i in range(len(theta))
        ]
        noise = np.array(rows)
        x = np.concatenate([theta, np.zeros((len(theta), self.extra))], axis=1) + self.sd * noise
        chance = np.array([np.random.default_rng((8, first + i)).random(2) for i in range(len(theta))])
        x[chance[:, 0] < self.undefined, -1] = np.nan
        status = np.where(chance[:, 1] < self.failing, 5, 0)
        x[status > 0] = np.nan
        return Simulations(theta, x, status, first + np.arange(len(theta)))

    def exact(self, x_o):
        """Marginal posteriors."""
        low, high = self.prior.support.T
        centre = x_o[: self.prior.n_parameters]
        at = zip(low, high, centre, strict=True)
        return [stats.truncnorm((a - c) / self.sd, (b - c) / self.sd, c, self.sd) for a, b, c in at]


@pytest.fixture(scope="session")
def gaussian():
    """Makes a linear-Gaussian problem in the box -2..2."""

    def make(parameters=2, sd=0.3, **more):
        names = tuple(f"p{i}" for i in range(parameters))
        prior = Prior(names, ("1",) * parameters, (Marginal("uniform", -2.0, 2.0),) * parameters)
        return Gaussian(prior, sd, **more)

    return make
