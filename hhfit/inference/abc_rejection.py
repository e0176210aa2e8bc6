"""Rejection ABC: keep the simulations of the prior that come closest to the observation."""

from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.inference._base import Inference as Base
from hhfit.inference._particles import Distance, Particles, closest
from hhfit.inference._rounds import outcomes
from hhfit.journal import Journal
from hhfit.posterior import Posterior
from hhfit.prior import Prior
from hhfit.simulations import Simulate


@dataclass(frozen=True, eq=False)
class Inference(Base):
    """All simulations are one round; a baseline, exact only as the accepted share goes to zero.

    Args:
        accept: Share of simulations that is kept.

    Source:
        Pritchard et al. 1999, Mol Biol Evol 16:1791.
    """

    accept: float = 0.01

    def fit(self, prior: Prior, simulate: Simulate, x_o: Array, seed: int, journal: Journal) -> Posterior:
        """Infer the posterior of one observation."""
        rng = np.random.default_rng(np.random.SeedSequence((seed, 1)))
        theta = prior.from_cube(rng.random((self.budget.simulations, prior.n_parameters)))
        simulations = simulate(theta, 0)
        distance = Distance(simulations, x_o)(simulations)
        rows = closest(distance, self.accept, 50)
        log = outcomes(simulations) | {"accepted": len(rows), "epsilon": float(distance[rows].max())}
        journal.record("round-01", {"theta": theta[rows]}, log | {"leaked_mass": 0.0})
        return Particles(prior, theta[rows], np.ones(len(rows)))
