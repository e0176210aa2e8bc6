"""SNPE-B: importance weights in the loss, and a network that keeps what earlier rounds taught it."""

import logging
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.inference import _mixtures, _weights
from hhfit.inference._coordinates import Coordinates
from hhfit.inference._failures import sift
from hhfit.inference._gaussians import Gaussians
from hhfit.inference._mixture_rounds import MixtureInference, Source, Turn, draw_inside, scored
from hhfit.inference._rounds import need_usable, outcomes
from hhfit.journal import Journal
from hhfit.simulations import Simulations, join

_LOG = logging.getLogger(__name__)

KERNELS = {
    "none": lambda d: np.ones_like(d),
    "uniform": lambda d: (d <= 1).astype(float),
    "gauss": lambda d: np.exp(-0.5 * d**2),
    "epanechnikov": lambda d: np.clip(1 - d**2, 0, None),
    "tricube": lambda d: np.clip(1 - np.abs(d) ** 3, 0, None) ** 3,
}
"""Weight of a simulation by its distance from the observation in units of the bandwidth."""


@dataclass(frozen=True, eq=False)
class Inference(MixtureInference):
    """Simulations weigh prior / proposal in the loss, and more the closer they are to the observation.

    As published in 2017, every round learns from its own simulations and the distribution of the network's weights
    after one round is where the next round's is drawn to (``accumulate=False``). By default a round learns from all
    simulations so far, each with the weight prior / mean proposal: those of the first round then bound all weights, and
    the network's weights are drawn to zero as in the first round, since what it knew is in the data. Weights that are
    worth too few draws, or whose tail is too heavy, are truncated (which biases the posterior towards the proposal, and
    is said as a warning and in the report). Rows that failed are left out, which needs no correction when failing is a
    matter of the response.

    Args:
        components: Gaussians in the mixture.
        space: As for all such methods; by default one where nothing leaks.
        singles: Rounds with one Gaussian before it is replicated into a mixture.
        defensive: Share of proposals that are drawn from the prior.
        freedom: Degrees of freedom of the Student-t that the proposal is turned into; infinite for Gaussians.
        accumulate: Whether the simulations of all rounds are learned from, or those of the newest alone.
        kernel: Calibration kernel, one of ``KERNELS``. Without one the loss is ruled by simulations far away from the
            observation, whose weights are large.
        bandwidth: Its bandwidth; 1 is how far most features of the newest round are from the observation, in root mean
            square.
        least_effective: Least share of effective draws that is taken as it is.

    Source:
        Lueckmann et al. 2017 (arXiv 1711.01861), section 2; defensive share, Student-t of 3 degrees and kernels as in
        the authors' scripts and delfi. All rounds: Goncalves et al. 2020 (eLife 56261), algorithm 1. Mean proposal:
        the balance heuristic of Veach & Guibas 1995.
    """

    components: int = 8
    hidden: tuple[int, ...] = (50, 50)
    epochs: int = 150
    space: str = "probit"
    singles: int = 0
    defensive: float = 0.1
    freedom: float = 3.0
    accumulate: bool = True
    kernel: str = "gauss"
    bandwidth: float = 1.0
    pull: float = 0.1
    least_effective: float = 0.02

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise InputError(f"unknown kernel {self.kernel!r}; available: {', '.join(KERNELS)}")
        if not 0 <= self.defensive < 1:
            raise InputError(f"defensive share is {self.defensive:g}, must be at least 0 and below 1")

    def _proposal(self, place: Coordinates, density: Gaussians) -> Gaussians:
        return density.tailed(self.freedom)

    def _propose(self, source: Source, n: int, rng: np.random.Generator) -> tuple[Array, Array, float]:
        place, proposal, classifier = source.place, source.proposal, source.classifier
        prior = place.prior
        u, share = sift(lambda count: rng.random((count, prior.n_parameters)), n, classifier, rng)
        theta = prior.from_cube(u)
        if proposal is None:
            return theta, np.ones(n), share
        ours = rng.random(n) >= self.defensive
        theta[ours], accepted = draw_inside(proposal, place, int(ours.sum()), rng, classifier)
        return theta, 1 / source.odds(theta, self.defensive), accepted

    def _data(self, turns: list[Turn]) -> tuple[Simulations, Array]:
        """What a round learns from, and its weights before any kernel, shape ``(N,)``."""
        if not self.accumulate:
            return turns[-1].rows, turns[-1].weight
        rows = join([turn.rows for turn in turns])
        odds = sum(len(turn.rows) * turn.source.odds(rows.theta, self.defensive) for turn in turns)
        return rows, len(rows) / odds

    def _weigh(self, weight: Array, away: Array) -> tuple[Array, dict[str, Any]]:
        """Weights of mean 1 with the kernel of distances ``(N, F)`` in them, and what is known of them."""
        distance = np.sqrt(np.nanmean(away**2, axis=1)) / self.bandwidth
        weight = weight * KERNELS[self.kernel](distance)
        if not weight.sum() > 0:
            raise InputError(f"kernel bandwidth is {self.bandwidth:g}, no simulation is that close; widen it")
        n, tail = _weights.effective(weight), _weights.pareto_k(weight)
        poor = n < self.least_effective * len(weight) or tail > _weights.POOR_TAIL
        doubts = []
        if poor:
            worth = f"importance weights are worth {n:.0f} of {len(weight)} draws (Pareto k {tail:.2f})"
            doubts = [f"{worth} and were truncated: the posterior leans towards what was simulated"]
            _LOG.warning(doubts[0])
            weight = _weights.truncated(weight)
        log = {"effective_sample_size": n, "pareto_k": tail, "weights_truncated": bool(poor), "doubts": doubts}
        return weight / weight.mean(), log

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
        number, (simulations, weight) = len(turns), self._data(turns)
        started, stage = time.monotonic(), f"round {number}: training"
        usable = simulations.usable
        need_usable(usable, stage)
        newest = turns[-1].rows
        scores, weights = scored(arrays, newest.x[newest.usable], x_o)
        x, o = scores(simulations.x[usable]), scores(x_o[None])[0]
        unit = _usual_distance(newest.x[newest.usable], x_o)
        seen = np.where(np.isfinite(simulations.x[usable]), simulations.x[usable], np.nan)
        final, weighed = self._weigh(weight[usable], (seen - x_o) / unit)
        x, w = torch.tensor(x), torch.tensor(final, dtype=torch.float32)
        y = torch.tensor(place.to(simulations.theta[usable]), dtype=torch.float32)
        start_seed, train_seed = seed.spawn(2)
        components = 1 if number <= self.singles else self.components
        layout = _mixtures.Layout(x.shape[1], y.shape[1], components, self.hidden)
        known = bool(weights) and not self.accumulate
        if not weights:
            weights = _mixtures.initial(layout, start_seed)
        elif number == self.singles + 1 and components > 1:
            weights = _mixtures.replicated(weights, components, start_seed)
            known = False  # held to what one Gaussian knew, equal components would stay equal
        network = _mixtures.Network(layout, weights, self.svi, place.cut)
        loss = _mixtures.train_mixture(
            network,
            lambda net, rows, noise: -(w[rows] * net.log_prob(y[rows], x[rows], noise)).mean(),
            len(x),
            anchor=_mixtures.anchored(weights) if known else _mixtures.broad(weights, self.precision),
            pull=self.pull,
            how=self,
            seed=train_seed,
            progress=lambda done, total, note: journal.progress(stage, done, total, note),
        )
        posterior = network.at(o)
        kept = {f"net.{name}": value for name, value in network.weights().items()}
        log = outcomes(newest) | weighed | {"trained_on": len(x), "epochs": self.epochs, "training_loss": loss}
        log |= {"seconds": time.monotonic() - started}
        return kept | scores.arrays() | posterior.arrays("posterior"), log


def _usual_distance(x: Array, x_o: Array) -> Array:
    """Distance of most features ``(N, F)`` from the observation ``(F,)``, as the sd of a normal one, shape ``(F,)``."""
    away = np.abs(np.where(np.isfinite(x), x, np.nan) - x_o)
    usual = 1.4826 * np.nanmedian(np.where(np.isnan(away), np.inf, away), axis=0)
    return np.where(np.isfinite(usual) & (usual > 0), usual, np.inf)
