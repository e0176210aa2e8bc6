"""Truncated sequential neural posterior estimation, with a bounded density."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from hhfit.arrays import Array
from hhfit.inference import _truncation
from hhfit.inference._density import Density
from hhfit.inference._posterior import FlowPosterior
from hhfit.inference._rounds import FlowInference, learn, mass, need_usable, outcomes
from hhfit.inference._truncation import Cut, Region
from hhfit.journal import Journal
from hhfit.posterior import Posterior
from hhfit.prior import Prior
from hhfit.simulations import Simulate, Simulations, join


@dataclass(frozen=True, eq=False)
class Inference(FlowInference):
    """Every round simulates the prior confined to where the density of the round before is high.

    The loss stays the plain likelihood of round one, so no weights can fail. Regions are nested, so that simulations
    of all earlier rounds that lie in the present region are spread over it like those of the present round, and are
    used again exactly. From round two on the density lives on the region's bounding box, where a narrow posterior is
    as easy to describe as a wide one was on the prior. A region that nearly fills its box is the box: its curved edge
    would have to be learned, for all observations near it, and would save few simulations. What the posterior says
    beyond the region is what the round before said.

    Args:
        quantile: Share of the density's mass that each truncation gives up.
        steps: Most optimiser steps in the last round: a truncated density is learned in fewer than one of all data.

    Source:
        Deistler, Goncalves & Macke 2022 (arXiv 2210.04815), algorithm 1, with highest-density regions taken relative
        to the prior.
    """

    embeds: ClassVar[bool] = True

    quantile: float = 1e-4
    steps: int = 8000
    steps_between: int = 2000

    def fit(self, prior: Prior, simulate: Simulate, x_o: Array, seed: int, journal: Journal) -> Posterior:
        """Infer the posterior of one observation."""
        region = Region(np.asarray(x_o, dtype=float), prior.n_parameters)
        gathered: list[Simulations] = []
        weighed: list[Array] = []
        posterior: FlowPosterior | None = None
        for number, n in enumerate(self.budget.per_round, start=1):
            seeds = np.random.SeedSequence((seed, number)).spawn(5)
            u, weight, drawn = region.proposals(n, seeds[0])
            weighed.append(weight)
            gathered.append(simulate(prior.from_cube(u), sum(map(len, gathered))))
            found = journal.recall(f"round-{number:02d}")
            if found is not None:
                cut = _truncation.from_arrays(Density.from_arrays(found), found)
                posterior = FlowPosterior(prior, cut.density, region, seeds[2], posterior)
            else:
                cut, posterior = self._round(
                    prior, gathered, weighed, region, seeds, journal=journal, drawn=drawn, before=posterior
                )
            region = region.cut_by(cut)
        assert posterior is not None, "a budget has at least one round"
        return posterior

    def _round(
        self,
        prior: Prior,
        gathered: list[Simulations],
        weighed: list[Array],
        region: Region,
        seeds: list[np.random.SeedSequence],
        *,
        journal: Journal,
        drawn: dict[str, float | str],
        before: FlowPosterior | None,
    ) -> tuple[Cut, FlowPosterior]:
        """The truncation and the posterior that follow from the density of one round, learned and recorded."""
        number = len(gathered)
        need_usable(gathered[-1].usable, f"round {number}")
        pool = join(gathered)
        u = prior.to_cube(pool.theta)
        inside = region.contains(u)
        density, log = learn(
            self,
            pool.rows(inside),
            u[inside],
            np.concatenate(weighed)[inside],
            region,
            number=number,
            seed=seeds[1],
            journal=journal,
        )
        posterior = FlowPosterior(prior, density, region, seeds[2], before)
        points = posterior.sample_cube(2000, number)
        log |= outcomes(gathered[-1]) | drawn | mass(points, prior.contains(prior.from_cube(points)))
        log |= {"inside_region": posterior.inside, "confined": posterior.confined}
        classifier, foretold = self.classifier(prior, gathered, points, seeds[4], region)
        log |= foretold
        cut = replace(region.propose(density, self.quantile, seeds[3]), classifier=classifier)
        journal.record(f"round-{number:02d}", density.arrays() | _truncation.arrays(cut), log)
        return cut, posterior
