"""Neural posterior estimation in a single round, with a bounded density."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hhfit.arrays import Array
from hhfit.inference._density import Density
from hhfit.inference._posterior import FlowPosterior
from hhfit.inference._rounds import FlowInference, learn, mass, outcomes
from hhfit.inference._truncation import Region
from hhfit.journal import Journal
from hhfit.posterior import Posterior
from hhfit.prior import Prior
from hhfit.simulations import Simulate


@dataclass(frozen=True, eq=False)
class Inference(FlowInference):
    """Learns the posterior of any observation from simulations of the prior; all simulations are one round.

    Source:
        Papamakarios & Murray 2016, equation 5, with the density of statistics "bounded by construction": splines on
        the prior's cube over a uniform base.
    """

    embeds: ClassVar[bool] = True

    def fit(self, prior: Prior, simulate: Simulate, x_o: Array, seed: int, journal: Journal) -> Posterior:
        """Infer the posterior of one observation."""
        draw_seed, learn_seed, check_seed = np.random.SeedSequence((seed, 1)).spawn(3)
        region = Region(np.asarray(x_o, dtype=float), prior.n_parameters)
        u, drawn = region.sample(self.budget.simulations, draw_seed)
        simulations = simulate(prior.from_cube(u), 0)
        found = journal.recall("round-01")
        if found is not None:
            return FlowPosterior(prior, Density.from_arrays(found), region, check_seed)
        density, log = learn(
            self,
            simulations,
            u,
            np.ones(len(u)),
            region,
            number=1,
            seed=learn_seed,
            journal=journal,
        )
        posterior = FlowPosterior(prior, density, region, check_seed)
        points = posterior.sample_cube(2000, seed)
        log = outcomes(simulations) | drawn | log | mass(points, prior.contains(prior.from_cube(points)))
        journal.record("round-01", density.arrays(), log)
        return posterior
