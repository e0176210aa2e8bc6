"""Exact correction of a posterior where the likelihood can be computed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InferenceError
from hhfit.inference import _weights
from hhfit.posterior import Posterior


@dataclass(frozen=True, eq=False)
class Corrected:
    """Draws from the exact posterior, and how far they are to be trusted.

    Args:
        theta: Parameters, shape ``(n, P)``.
        effective: Number of equal draws that the weighted ones were worth.
        draws: Number of weighted draws.
        pareto_k: Tail of the weights; above 0.7 the approximation misses part of the posterior.
    """

    theta: Array
    effective: float
    draws: int
    pareto_k: float

    @property
    def is_sound(self) -> bool:
        """Whether the weights' tail is light enough, and they are worth at least 100 draws."""
        return self.pareto_k <= _weights.POOR_TAIL and self.effective >= 100


def correct(
    posterior: Posterior, log_likelihood: Callable[[Array], Array], *, n: int, draws: int, seed: int
) -> Corrected:
    """Draw from prior times likelihood by importance resampling of an approximate posterior.

    Args:
        posterior: The approximation.
        log_likelihood: Log probability of the observation given parameters ``(N, P)``, up to a constant.
        n: Draws to return.
        draws: Draws from the approximation that they are chosen from.
        seed: Same seed, same draws.

    Raises:
        InferenceError: If no draw can have made the observation.
    """
    theta = posterior.sample(draws, seed)
    height = posterior.prior.log_prob(theta) + log_likelihood(theta) - posterior.log_prob(theta)
    height = np.where(np.isnan(height), -np.inf, height)
    if not np.isfinite(height).any():
        raise InferenceError(f"none of {draws} draws can have made the observation; the posterior misses it altogether")
    weight = np.exp(height - height.max())
    rows = np.random.default_rng((seed, 1)).choice(draws, n, p=weight / weight.sum())
    return Corrected(theta[rows], _weights.effective(weight), draws, _weights.pareto_k(weight))
