"""SNPE-C (automatic posterior transformation) with Gaussian mixtures, whose loss has a closed form."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.inference import _mixtures
from hhfit.inference._coordinates import Coordinates
from hhfit.inference._gaussians import Gaussians
from hhfit.inference._mixture_rounds import MixtureInference, Source, Turn, scored, thinned
from hhfit.inference._rounds import need_usable, outcomes
from hhfit.inference._weights import effective
from hhfit.journal import Journal
from hhfit.simulations import join


@dataclass(frozen=True, eq=False)
class Inference(MixtureInference):
    """Every round proposes from one Gaussian and learns the posterior through the posterior under that proposal.

    Proposals have the moments of the last posterior but nowhere more than the prior's width, so that the transformed
    mixture always exists, whatever the network says. Simulations of all rounds are used, each under its own proposal.
    The prior's whole covariance enters. Rows that failed are left out, which needs no correction when failing is a
    matter of the response.

    Source:
        Greenberg et al. 2019 (arXiv 1905.07488), equations 2 to 5 and appendix A.1.
    """

    components: int = 4
    svi: bool = False
    space: str = "probit"

    def __post_init__(self) -> None:
        if self.space == "truncated":
            raise InputError("snpe_c_mixture has no closed form in space 'truncated'; use 'probit'")

    def _proposal(self, place: Coordinates, density: Gaussians) -> Gaussians:
        return narrowed(density.projected(), place.precision)

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
        gathered = [turn.rows for turn in turns]
        tilts = [tilted(turn.source.proposal, place) for turn in turns]
        started, stage = time.monotonic(), f"round {len(gathered)}: training"
        need_usable(gathered[-1].usable, stage)
        pool = join(gathered)
        usable = pool.usable
        scores, weights = scored(arrays, gathered[-1].x[gathered[-1].usable], x_o)
        x = torch.tensor(scores(pool.x[usable]))
        y = torch.tensor(place.to(pool.theta[usable]), dtype=torch.float32)
        weight = np.concatenate([turn.weight for turn in turns])[usable]
        w = torch.tensor(weight, dtype=torch.float32)
        turn = torch.tensor(np.repeat(np.arange(len(gathered)), [len(part) for part in gathered])[usable])
        tilt = torch.tensor(np.array([t[0] for t in tilts]), dtype=torch.float32)
        push = torch.tensor(np.array([t[1] for t in tilts]), dtype=torch.float32)
        start_seed, train_seed = seed.spawn(2)
        layout = _mixtures.Layout(x.shape[1], y.shape[1], self.components, self.hidden)
        weights = weights or _mixtures.initial(layout, start_seed)
        network = _mixtures.Network(layout, weights, self.svi)

        def loss(net: _mixtures.Network, rows: Array, noise: torch.Generator) -> Tensor:
            which = turn[rows]
            return -(w[rows] * tilted_log_prob(net.mixture(x[rows], noise), y[rows], tilt[which], push[which])).mean()

        value = _mixtures.train_mixture(
            network,
            loss,
            len(x),
            anchor=_mixtures.broad(weights, self.precision),
            pull=self.pull,
            how=self,
            seed=train_seed,
            progress=lambda done, total, note: journal.progress(stage, done, total, note),
        )
        kept = {f"net.{name}": array for name, array in network.weights().items()}
        log = outcomes(gathered[-1]) | {"trained_on": len(x), "epochs": self.epochs, "training_loss": value}
        log |= {"effective_sample_size": effective(weight), "seconds": time.monotonic() - started}
        return kept | scores.arrays() | network.at(scores(x_o[None])[0]).arrays("posterior"), log


def tilted(proposal: Gaussians | None, place: Coordinates) -> tuple[Array, Array]:
    """Precision ``(P, P)`` of a proposal less that of the prior, and its precision times its mean ``(P,)``."""
    size = place.prior.n_parameters
    if proposal is None:
        return np.zeros((size, size)), np.zeros(size)
    return proposal.precision[0] - place.precision, proposal.precision[0] @ proposal.mean[0]


def narrowed(proposal: Gaussians, least: Array) -> Gaussians:
    """One Gaussian made no wider than a precision ``(P, P)`` allows, in any direction."""
    values, vectors = np.linalg.eigh(proposal.precision[0] - least)
    precision = least + (vectors * values.clip(min=0.0)) @ vectors.T
    return Gaussians(proposal.weight, proposal.mean, precision[None])


def tilted_log_prob(mixture: tuple[Tensor, Tensor, Tensor], y: Tensor, tilt: Tensor, push: Tensor) -> Tensor:
    """Log density of a mixture times ``exp(-y'Dy/2 + h'y)``, normalised, up to a constant, shape ``(B,)``.

    Args:
        mixture: Log weights, means and precision factors, as a network gives them.
        y: Points, shape ``(B, P)``.
        tilt: D: precision of each point's proposal less that of the prior, shape ``(B, P, P)``.
        push: h: precision of the proposal times its mean, shape ``(B, P)``; the prior's mean is zero.
    """
    weight, mean, factor = mixture
    inner = factor.transpose(-1, -2) @ factor
    after = inner + tilt[:, None]
    root = torch.linalg.cholesky(after)
    pull = (inner @ mean[..., None])[..., 0] + push[:, None]
    solved = torch.linalg.solve_triangular(root, pull[..., None], upper=False)[..., 0]
    height = weight + torch.log(torch.diagonal(factor, dim1=-2, dim2=-1)).sum(dim=-1)
    height = height - 0.5 * ((factor @ mean[..., None])[..., 0] ** 2).sum(dim=-1)
    height = height - torch.log(torch.diagonal(root, dim1=-2, dim2=-1)).sum(dim=-1) + 0.5 * (solved**2).sum(dim=-1)
    own = torch.logsumexp(weight + _mixtures.log_gaussian(y[:, None], mean, factor), dim=1)
    factor_at = -0.5 * torch.einsum("bp,bpq,bq->b", y, tilt, y) + (push * y).sum(dim=1)
    return own + factor_at - torch.logsumexp(height, dim=1)
