"""SNPE-A: fit the posterior under the proposal, then divide the proposal out."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from hhfit.arrays import Array
from hhfit.inference import _mixtures
from hhfit.inference._coordinates import Coordinates
from hhfit.inference._failures import Classifier, thinning_weights
from hhfit.inference._gaussians import Gaussians, corrected
from hhfit.inference._mixture_rounds import MixtureInference, MixturePosterior, draw_inside, said, scored, trusted
from hhfit.inference._rounds import need_usable, outcomes
from hhfit.inference._weights import effective
from hhfit.journal import Journal
from hhfit.posterior import Posterior
from hhfit.prior import Prior
from hhfit.simulations import Simulate, Simulations


@dataclass(frozen=True, eq=False)
class Inference(MixtureInference):
    """One Gaussian per round, a mixture in the last round only; every round learns from its own simulations.

    A posterior that one Gaussian cannot hold is beyond it: the next proposal is the Gaussian of the same moments, and
    where the division leaves no positive precision the fit ends with a message that says so. Rows that failed are left
    out, which needs no correction when failing is a matter of the response.

    Source:
        Papamakarios & Murray 2016 (arXiv 1605.06376), algorithms 1 and 2.
    """

    def fit(self, prior: Prior, simulate: Simulate, x_o: Array, seed: int, journal: Journal) -> Posterior:
        """Infer the posterior of one observation."""
        place = Coordinates(prior, self.space)
        x_o = np.asarray(x_o, dtype=float)
        proposal: Gaussians | None = None
        arrays: dict[str, Array] = {}
        classifier: Classifier | None = None
        gathered: list[Simulations] = []
        for number, n in enumerate(self.budget.per_round, start=1):
            seeds = np.random.SeedSequence((seed, number)).spawn(4)
            rng = np.random.default_rng(seeds[0])
            if proposal is None:
                theta, share = prior.from_cube(rng.random((n, prior.n_parameters))), 1.0
            else:
                classifier = trusted(classifier, proposal, place, seeds[2])
                theta, share = draw_inside(proposal, place, n, rng, classifier)
            weight = thinning_weights(classifier, prior.to_cube(theta))
            gathered.append(simulate(theta, sum(map(len, gathered))))
            found = journal.recall(f"round-{number:02d}")
            if found is None:
                arrays, log = self._learn(
                    place,
                    gathered,
                    weight,
                    arrays,
                    proposal,
                    seed=seeds[1],
                    x_o=x_o,
                    journal=journal,
                )
            else:
                arrays = dict(found)
            posterior = MixturePosterior(place, Gaussians.from_arrays("posterior", arrays), seeds[2])
            classifier = Classifier.from_arrays(arrays)
            if found is None:
                classifier, foretold = self.classifier(posterior, gathered, seeds[3])
                log |= {"accepted_proposals": share} | said(posterior, number) | foretold
                journal.record(f"round-{number:02d}", arrays | (classifier.arrays() if classifier else {}), log)
            proposal = posterior.density.projected()
        return posterior

    def _learn(
        self,
        place: Coordinates,
        gathered: list[Simulations],
        weight: Array,
        arrays: dict[str, Array],
        proposal: Gaussians | None,
        *,
        seed: np.random.SeedSequence,
        x_o: Array,
        journal: Journal,
    ) -> tuple[dict[str, Array], dict[str, float]]:
        """The network of one round and the corrected posterior, as arrays to keep, and what there is to log."""
        number, simulations = len(gathered), gathered[-1]
        started, stage = time.monotonic(), f"round {number}: training"
        usable = simulations.usable
        need_usable(usable, stage)
        scores, weights = scored(arrays, simulations.x[usable], x_o)
        x = torch.tensor(scores(simulations.x[usable]))
        y = torch.tensor(place.to(simulations.theta[usable]), dtype=torch.float32)
        w = torch.tensor(weight[usable], dtype=torch.float32)
        start_seed, train_seed = seed.spawn(2)
        components = self.components if number == self.budget.rounds else 1
        layout = _mixtures.Layout(x.shape[1], y.shape[1], components, self.hidden)
        if not weights:
            weights = _mixtures.initial(layout, start_seed)
        elif components > 1:
            weights = _mixtures.replicated(weights, components, start_seed)
        network = _mixtures.Network(layout, weights, self.svi)
        loss = _mixtures.train_mixture(
            network,
            lambda net, rows, noise: -(w[rows] * net.log_prob(y[rows], x[rows], noise)).mean(),
            len(x),
            anchor=_mixtures.broad(weights, self.precision),
            pull=1.0,
            how=self,
            seed=train_seed,
            progress=lambda done, total, note: journal.progress(stage, done, total, note),
        )
        q = network.at(scores(x_o[None])[0])
        where = f"snpe_a, round {number}"
        posterior = q if proposal is None else corrected(q, proposal, place.precision, where)
        kept = {f"net.{name}": value for name, value in network.weights().items()}
        log = outcomes(simulations) | {"trained_on": len(x), "epochs": self.epochs, "training_loss": loss}
        log |= {"effective_sample_size": effective(weight[usable]), "seconds": time.monotonic() - started}
        return kept | scores.arrays() | posterior.arrays("posterior"), log
