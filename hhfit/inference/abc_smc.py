"""SMC ABC: populations that move closer to the observation round by round."""

from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.inference._base import Inference as Base
from hhfit.inference._coordinates import Coordinates
from hhfit.inference._particles import Distance, Particles, closest, kernel_log_density, spread
from hhfit.inference._rounds import outcomes
from hhfit.inference._weights import effective
from hhfit.journal import Journal
from hhfit.posterior import Posterior
from hhfit.prior import Prior
from hhfit.simulations import Simulate


@dataclass(frozen=True, eq=False)
class Inference(Base):
    """Every round perturbs the last population, keeps the closest share of what it simulated and weights it.

    Particles move in the normal scores of the prior's cube, where none can leave the prior.

    Args:
        accept: Share of a round's simulations that is kept.

    Source:
        Beaumont et al. 2009, Biometrika 96:983: kernel of twice the weighted covariance, weights prior / proposal.
    """

    accept: float = 0.1

    def fit(self, prior: Prior, simulate: Simulate, x_o: Array, seed: int, journal: Journal) -> Posterior:
        """Infer the posterior of one observation."""
        place, size = Coordinates(prior, "probit"), prior.n_parameters
        distance: Distance | None = None
        y, weight, first = np.empty((0, size)), np.empty(0), 0
        for number, n in enumerate(self.budget.per_round, start=1):
            rng = np.random.default_rng(np.random.SeedSequence((seed, number)))
            trial, height = rng.standard_normal((n, size)), np.zeros(n)
            if distance is not None:
                kernel = 2 * spread(y, weight)
                trial = y[rng.choice(len(y), n, p=weight)] + trial @ np.linalg.cholesky(kernel).T
                standard = -0.5 * (trial**2).sum(axis=1) - 0.5 * size * np.log(2 * np.pi)
                height = standard - kernel_log_density(trial, y, weight, kernel)
            simulations, first = simulate(place.back(trial), first), first + n
            distance = distance or Distance(simulations, x_o)
            away = distance(simulations)
            rows = closest(away, self.accept, 50)
            y, weight = trial[rows], np.exp(height[rows] - height[rows].max())
            weight /= weight.sum()
            log = outcomes(simulations) | {
                "accepted": len(rows),
                "epsilon": float(away[rows].max()),
                "leaked_mass": 0.0,
            }
            log |= {"effective_sample_size": effective(weight)}
            journal.record(f"round-{number:02d}", {"y": y, "weight": weight}, log)
        return Particles(prior, place.back(y), weight)
