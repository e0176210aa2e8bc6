"""SNPE-C (automatic posterior transformation) with atomic proposals, on the bounded density."""

import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.inference._density import Density
from hhfit.inference._failures import Classifier, sift
from hhfit.inference._flows import Flows, initial
from hhfit.inference._posterior import FlowPosterior
from hhfit.inference._rounds import FlowInference, coverage, mass, need_usable, outcomes
from hhfit.inference._scaling import Scaling
from hhfit.inference._training import Objective, inputs_shape, train
from hhfit.inference._truncation import Region
from hhfit.journal import Journal
from hhfit.posterior import Posterior
from hhfit.prior import Prior
from hhfit.simulations import Simulate, Simulations, join


@dataclass(frozen=True, eq=False)
class Inference(FlowInference):
    """Every round draws from the last posterior; the loss asks which of several parameter sets made an observation.

    Simulations of all rounds are used in every round. The parameter sets to choose among come from *all* proposed ones,
    failed ones included: choosing among valid ones alone would divide the posterior by the chance of being valid. How
    proposals were thinned drops out likewise. The loss fixes density ratios only, so simulations of the prior also
    enter by their plain likelihood, which holds the density down where no proposal falls.

    Args:
        atoms: Parameter sets to choose among, the true one included.
        anchor: Factor of the plain likelihood of simulations of the prior.
        steps_between: Most optimiser steps in all rounds but the last.

    Source:
        Greenberg et al. 2019 (arXiv 1905.07488), equation 6; likelihood of prior simulations as in section 3.4 there.
    """

    atoms: int = 5
    anchor: float = 1.0
    batch: int = 100
    steps: int = 8000
    steps_between: int = 1000

    def __post_init__(self) -> None:
        if self.atoms < 2:
            raise InputError(f"atoms is {self.atoms}, must be at least 2")

    def fit(self, prior: Prior, simulate: Simulate, x_o: Array, seed: int, journal: Journal) -> Posterior:
        """Infer the posterior of one observation."""
        region = Region(np.asarray(x_o, dtype=float), prior.n_parameters)
        gathered: list[Simulations] = []
        density: Density | None = None
        classifier: Classifier | None = None
        for number, n in enumerate(self.budget.per_round, start=1):
            seeds = np.random.SeedSequence((seed, number)).spawn(4)
            rng = np.random.default_rng(seeds[0])
            if density is None:
                u, share = rng.random((n, region.size)), 1.0
            else:
                u, share = sift(partial(density.sample_one, x_o=region.x_o, rng=rng), n, classifier, rng)
            gathered.append(simulate(prior.from_cube(u), sum(map(len, gathered))))
            found = journal.recall(f"round-{number:02d}")
            if found is not None:
                density, classifier = Density.from_arrays(found), Classifier.from_arrays(found)
                continue
            density, log = self._learn(prior, gathered, density, number=number, seed=seeds[1], journal=journal)
            points = density.sample_one(2000, region.x_o, np.random.default_rng(number))
            log |= outcomes(gathered[-1]) | mass(points, prior.contains(prior.from_cube(points)))
            classifier, foretold = self.classifier(prior, gathered, points, seeds[3])
            log |= {"kept_proposals": share} | foretold
            arrays = density.arrays() | (classifier.arrays() if classifier else {})
            journal.record(f"round-{number:02d}", arrays, log)
        assert density is not None, "a budget has at least one round"
        return FlowPosterior(prior, density, region, seeds[2])

    def _learn(
        self,
        prior: Prior,
        gathered: list[Simulations],
        before: Density | None,
        *,
        number: int,
        seed: np.random.SeedSequence,
        journal: Journal,
    ) -> tuple[Density, dict[str, float]]:
        """The density of one round, and what there is to log."""
        started, stage = time.monotonic(), f"round {number}: training"
        need_usable(gathered[-1].usable, stage)
        pool = join(gathered)
        u, rows = prior.to_cube(pool.theta), np.flatnonzero(pool.usable)
        scaling = before.scaling if before else Scaling.of(pool.x[rows])
        start_seed, train_seed, check_seed = seed.spawn(3)
        how = self.training(self.steps_of(number))
        apart = held_apart(gathered, how.validation)
        parts = (rows[~apart[rows]], rows[apart[rows]])
        shape = inputs_shape(scaling, u.shape[1], self.networks, self.size(u.shape[1]))
        flows = before.flows if before else Flows(shape, initial(shape, start_seed))
        from_prior = np.arange(len(u)) < len(gathered[0])
        chance = atomic(u, scaling(pool.x), from_prior, atoms=1 if before is None else self.atoms, anchor=self.anchor)
        flows, log = train(
            chance,
            flows,
            rows=parts,
            how=how,
            seed=train_seed,
            progress=lambda done, total, note: journal.progress(stage, done, total, note),
        )
        held = parts[1][from_prior[parts[1]]]
        density = Density(flows, scaling, np.zeros(u.shape[1]), np.ones(u.shape[1]), pool.index[held])
        log |= {"trained_on": len(rows), "atoms_from": len(pool), "effective_sample_size": float(len(rows))}
        log |= coverage(density, u[held], pool.x[held], np.ones(len(held)), np.random.default_rng(check_seed))
        return density, log | {"seconds": time.monotonic() - started}


def held_apart(gathered: list[Simulations], share: float) -> Array:
    """Rows of all rounds that no round trains on, since every round goes on with the last one's networks.

    Every round holds apart the same rows of itself, whatever comes after it: of each the first ones that are usable.
    """
    marks = []
    for part in gathered:
        rows = np.flatnonzero(part.usable)
        mark = np.zeros(len(part), dtype=bool)
        mark[rows[: max(round(share * len(rows)), 1)]] = True
        marks.append(mark)
    return np.concatenate(marks)


def atomic(u: Array, x: Array, from_prior: Array, *, atoms: int, anchor: float) -> Objective:
    """The atomic loss; with one atom it is the plain likelihood of the prior's simulations.

    On the prior's cube the prior is uniform, so that it drops out of the ratio of posterior and prior.

    Args:
        u: Cube points of all proposed parameters, failed ones included, shape ``(N, P)``.
        x: Their network inputs, shape ``(N, inputs)``.
        from_prior: Which were drawn from the prior, shape ``(N,)``.
        atoms: Parameter sets to choose among.
        anchor: Factor of the plain likelihood.
    """
    points, inputs = torch.tensor(u, dtype=torch.float32), torch.tensor(x, dtype=torch.float32)
    first = torch.tensor(from_prior, dtype=torch.float32)

    def objective(flows: Flows, rows: Array, rng: np.random.Generator) -> torch.Tensor:
        k, b = rows.shape
        others = (rows[..., None] + rng.integers(1, len(u), (k, b, atoms - 1))) % len(u)
        chosen = points[np.concatenate([rows[..., None], others], axis=2)]
        context = flows.context(inputs[rows]).repeat_interleave(atoms, dim=1)
        height = flows.log_prob(chosen.flatten(1, 2), context).unflatten(1, (b, atoms))
        choice = torch.logsumexp(height, dim=2) - height[..., 0]
        plain = -(first[rows] * height[..., 0])
        return (choice + (anchor if atoms > 1 else 1.0) * plain).mean(dim=1)

    return objective
