"""SNPE-A: fit the posterior under the proposal, then divide the proposal out."""

import logging
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from hhfit.arrays import Array
from hhfit.inference import _mixtures
from hhfit.inference._coordinates import Coordinates
from hhfit.inference._cut import draw
from hhfit.inference._gaussians import Gaussians, corrected
from hhfit.inference._mixture_rounds import MixtureInference, Source, Turn, scored, thinned
from hhfit.inference._rounds import need_usable, outcomes
from hhfit.inference._weights import effective
from hhfit.journal import Journal

_LOG = logging.getLogger(__name__)
_LAST = 5
"""Simulations of the last round for each one of an earlier round."""
_LEAST_BEFORE = 500
"""Simulations of an earlier round, if there are as many for all: of fewer a network is too sure, and divisions fail."""
_CHECKED = 300
_DRAWS = 200
_MISFIT = 0.2
"""Distance of ranks from uniform from which on Gaussians are called unfit; chance makes 0.11 once in 1000."""


@dataclass(frozen=True, eq=False)
class Inference(MixtureInference):
    """One Gaussian per round, a mixture in the last round only; every round learns from its own simulations.

    As published, the last round has five times as many simulations as any before, since the posterior rests on them
    alone; the others only find where to simulate.

    A posterior that one Gaussian cannot hold is beyond it. Every round compares the parameters that were simulated with
    what the network says of them near the observation (``misfit`` in the log); if they do not agree in the last round,
    a warning and the report say so. Where the division leaves no positive precision the fit ends with a message that
    says that. Components that the network does not use, whose weight is below ``least_weight``, are left out before:
    their shape means nothing, and most are so wide that the division fails. Rows that failed are left out, which needs
    no correction when failing is a matter of the response. Features keep the scale of the first round: scaled anew, a
    few hundred simulations of a later round are learned by heart, and the posterior gets far too narrow.

    As published, Gaussians are fitted to draws that lie inside the prior's bounds and are cut off there afterwards,
    which makes a posterior at a bound too narrow. With ``space="truncated"`` they are learned as what the bounds leave
    of them, which is exact; the division stays what it is, since both of its terms are cut off alike. It fails sooner
    where a parameter is hardly informed, since a flat posterior then has a precision near zero.

    Args:
        epochs: Passes over the data in a round; the noise of the weights takes many to settle.
        least_weight: Least weight of a component that is divided.

    Source:
        Papamakarios & Murray 2016 (arXiv 1605.06376), algorithms 1 and 2; least weight (0.05 in delfi) and the
        last round's share (4 to 12 times the others) as in the authors' scripts.
    """

    epochs: int = 400
    least_weight: float = 1e-3

    @property
    def per_round(self) -> list[int]:
        """Simulations of each round: the last has most, unless the budget says how many."""
        given = self.budget
        if given.last or given.rounds == 1:
            return given.per_round
        n, before = given.simulations, given.rounds - 1
        each = max(n // (_LAST + before), min(_LEAST_BEFORE, n // given.rounds))
        return replace(given, last=n - before * each).per_round

    def _proposal(self, place: Coordinates, density: Gaussians) -> Gaussians:
        return density.projected()

    def _propose(self, source: Source, n: int, rng: np.random.Generator) -> tuple[Array, Array, float]:
        return thinned(source, n, rng)

    def _learn(
        self,
        place: Coordinates,
        turns: list[Turn],
        arrays: dict[str, Array],
        *,
        seed: np.random.SeedSequence,
        x_o: Array,
        journal: Journal,
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        number, turn = len(turns), turns[-1]
        simulations, weight, proposal = turn.rows, turn.weight, turn.source.proposal
        started, stage = time.monotonic(), f"round {number}: training"
        usable = simulations.usable
        need_usable(usable, stage)
        scores, weights = scored(arrays, simulations.x[usable], x_o, anew=False)
        x = torch.tensor(scores(simulations.x[usable]))
        y = torch.tensor(place.to(simulations.theta[usable]), dtype=torch.float32)
        w = torch.tensor(weight[usable], dtype=torch.float32)
        start_seed, train_seed, check_seed = seed.spawn(3)
        components = self.components if number == self.budget.rounds else 1
        layout = _mixtures.Layout(x.shape[1], y.shape[1], components, self.hidden)
        if not weights:
            weights = _mixtures.initial(layout, start_seed)
        elif components > 1:
            weights = _mixtures.replicated(weights, components, start_seed)
        network = _mixtures.Network(layout, weights, self.svi, place.cut)
        loss = _mixtures.train_mixture(
            network,
            lambda net, rows, noise: -(w[rows] * net.log_prob(y[rows], x[rows], noise)).mean(),
            len(x),
            anchor=_mixtures.broad(weights, self.precision),
            pull=self.pull,
            how=self,
            seed=train_seed,
            progress=lambda done, total, note: journal.progress(stage, done, total, note),
        )
        o, where = scores(x_o[None])[0], f"snpe_a, round {number}"
        off = misfit(network, (x.numpy(), y.numpy()), o, place.bounds, np.random.default_rng(check_seed))
        doubts = []
        if off > _MISFIT and number == self.budget.rounds:
            found = f"the parameters simulated near the observation (their ranks are off by {off:.2f})"
            doubts = [f"Gaussians do not describe {found}: the posterior may be far off; use snpe_b, snpe_c or tsnpe"]
            _LOG.warning("%s: %s", where, doubts[0])
        q = network.at(o)
        posterior = q if proposal is None else corrected(q.without(self.least_weight), proposal, place.precision, where)
        kept = {f"net.{name}": value for name, value in network.weights().items()}
        log = outcomes(simulations) | {"trained_on": len(x), "epochs": self.epochs, "training_loss": loss}
        log |= {"effective_sample_size": effective(weight[usable]), "misfit": off, "doubts": doubts}
        log |= {"seconds": time.monotonic() - started}
        return kept | scores.arrays() | posterior.arrays("posterior"), log


def misfit(
    network: _mixtures.Network, rows: tuple[Array, Array], o: Array, bounds: Array, rng: np.random.Generator
) -> float:
    """How far the parameters near an observation are from being draws of what a network says of them.

    The rank of each among draws of its own mixture, by density, is uniform if the mixture is right.

    Args:
        network: The network.
        rows: Its inputs ``(N, F)`` and their parameters in the network's coordinates ``(N, P)``.
        o: Inputs of the observation, shape ``(F,)``.
        bounds: The prior's bounds in those coordinates, shape ``(2, P)``.
        rng: Source of the draws.

    Returns:
        Largest distance of the ranks' distribution from the uniform one, between 0 and 1.
    """
    from scipy import stats
    from scipy.special import softmax

    x, y = rows
    ranks = []
    for row in nearest(x, o)[:_CHECKED]:
        q = network.at(x[row])
        points, weight = draw(q, bounds, _DRAWS, rng)
        ranks.append(softmax(weight)[q.log_prob(points) > q.log_prob(y[row, None])].sum())
    return float(stats.kstest(ranks, "uniform").statistic)


def nearest(x: Array, o: Array) -> Array:
    """Row numbers of inputs ``(N, F)``, nearest to ``(F,)`` first; last those that lack other features than it."""
    away = np.where(np.isnan(x) == np.isnan(o), np.nan_to_num(x - o), np.inf)
    return np.argsort((away**2).sum(axis=1), kind="stable")
