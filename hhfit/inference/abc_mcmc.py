"""MCMC ABC: many walkers that accept a step when its simulation stays close to the observation."""

from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.inference._base import Inference as Base
from hhfit.inference._coordinates import Coordinates
from hhfit.inference._particles import Distance, Particles, closest, spread
from hhfit.inference._rounds import outcomes
from hhfit.journal import Journal
from hhfit.posterior import Posterior
from hhfit.prior import Prior
from hhfit.simulations import Simulate


@dataclass(frozen=True, eq=False)
class Inference(Base):
    """A pilot from the prior gives the tolerance, the step and the walkers' starts; the walkers then move together.

    Walkers move in the normal scores of the prior's cube. Rounds of the budget do not matter.

    Args:
        walkers: Chains that are simulated side by side.
        pilot: Share of the budget that is drawn from the prior.
        accept: Share of the pilot whose largest distance is the tolerance.
        burn: Share of every chain that is left out.

    Source:
        Marjoram et al. 2003, PNAS 100:15324, algorithm D.
    """

    walkers: int = 100
    pilot: float = 0.3
    accept: float = 0.03
    burn: float = 0.25

    def fit(self, prior: Prior, simulate: Simulate, x_o: Array, seed: int, journal: Journal) -> Posterior:
        """Infer the posterior of one observation."""
        place, size = Coordinates(prior, "probit"), prior.n_parameters
        rng = np.random.default_rng(np.random.SeedSequence((seed, 1)))
        n = max(round(self.pilot * self.budget.simulations), 20)
        start = rng.standard_normal((n, size))
        simulations = simulate(place.back(start), 0)
        distance = Distance(simulations, x_o)
        away = distance(simulations)
        rows = closest(away, self.accept, 20)
        tolerance = float(away[rows].max())
        root = np.linalg.cholesky(spread(start[rows], np.ones(len(rows)))) * 2.38 / np.sqrt(size)
        y = start[rng.choice(rows, self.walkers)]
        chain, moved = [], 0
        for _ in range((self.budget.simulations - n) // self.walkers):
            trial = y + rng.standard_normal(y.shape) @ root.T
            ratio = 0.5 * ((y**2).sum(axis=1) - (trial**2).sum(axis=1))
            fits = distance(simulate(place.back(trial), n)) <= tolerance
            n += self.walkers
            good = fits & (np.log(rng.random(self.walkers)) < ratio)
            y = np.where(good[:, None], trial, y)
            chain.append(y)
            moved += int(good.sum())
            journal.progress("walking", n, self.budget.simulations, f"{moved} steps accepted")
        kept = np.concatenate(chain[int(self.burn * len(chain)) :] or [y])
        log = outcomes(simulations) | {"simulations": n, "epsilon": tolerance, "leaked_mass": 0.0}
        log |= {"accepted_steps": moved / max(len(chain) * self.walkers, 1), "sweeps": len(chain)}
        journal.record("round-01", {"y": kept}, log)
        return Particles(prior, place.back(kept), np.ones(len(kept)))
