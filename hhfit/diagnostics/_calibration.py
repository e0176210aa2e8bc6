"""Calibration on held-out simulations, whose parameters are known."""

from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.posterior import Amortized
from hhfit.prior import Prior
from hhfit.simulations import Simulations

LEVELS = (0.5, 0.8, 0.9, 0.95)
CURVE = tuple(round(0.05 * k, 2) for k in range(1, 20))
DRAWS = 100
"""Posterior draws per held-out simulation."""
MAX_ROWS = 1000
"""Held-out simulations; 1000 make the standard error of the 90 % coverage 0.0095."""
MIN_ROWS = 50


def calibration(posterior: Amortized, simulations: Simulations, seed: int) -> dict[str, Any]:
    """Expected coverage and simulation-based calibration on held-out simulations.

    Args:
        posterior: The posterior; it says which simulations its training has not seen.
        simulations: All simulations of the fit.
        seed: Seed of the draws.

    Returns:
        ``n`` held-out simulations; ``coverage`` of the highest-density region per level, and the
        whole ``curve`` of level and coverage; ``tarp``, largest distance of the coverage of random
        balls from what it should be, with its p; per parameter the mean ``rank`` of the truth (0.5
        when calibrated) and the Kolmogorov-Smirnov ``ks_p`` of its uniformity; ``n = 0`` with a
        ``reason`` if there are too few.

    Source:
        Talts et al. 2018 (ranks); Deistler et al. 2022 (expected coverage); Lemos et al. 2023 (TARP).
    """
    rows = np.flatnonzero(np.isin(simulations.index, posterior.held_out) & simulations.usable)
    rows = np.random.default_rng(seed).permutation(rows)[:MAX_ROWS]
    if len(rows) < MIN_ROWS:
        return {"n": 0, "reason": f"only {len(rows)} held-out simulations; at least {MIN_ROWS} needed"}
    theta, x = simulations.theta[rows], simulations.x[rows]
    draws = posterior.sample_at(x, DRAWS, seed)
    mass = _mass_above(posterior.log_prob_at(draws, x), posterior.log_prob_at(theta[:, None], x)[:, 0])
    ranks = _ranks(draws, theta)
    return {
        "n": len(rows),
        "reason": "",
        "coverage": {f"{level:g}": float((mass <= level).mean()) for level in LEVELS},
        "rank": dict(zip(posterior.names, ranks.mean(axis=0).tolist(), strict=True)),
        "ks_p": dict(zip(posterior.names, _uniform_p(ranks), strict=True)),
        "tarp": _tarp(posterior.prior, draws, theta, seed),
        "curve": [[level, float((mass <= level).mean())] for level in CURVE],
    }


def _mass_above(of_draws: Array, of_truth: Array) -> Array:
    """Posterior mass that is denser than the truth, shape ``(N,)``: uniform when calibrated."""
    denser = (of_draws > of_truth[:, None]).sum(axis=1)
    return (denser + 0.5) / (of_draws.shape[1] + 1)


def _ranks(draws: Array, theta: Array) -> Array:
    """Rank of the truth among its draws, in (0, 1), shape ``(N, P)``."""
    return ((draws < theta[:, None]).sum(axis=1) + 0.5) / (draws.shape[1] + 1)


def _tarp(prior: Prior, draws: Array, theta: Array, seed: int) -> dict[str, float]:
    """Whether the truth is as likely as any draw to be nearer to a random point of the prior."""
    from scipy.stats import kstest

    n, count, size = draws.shape
    u = prior.to_cube(draws.reshape(-1, size)).reshape(draws.shape)
    u_true = prior.to_cube(theta)
    at = np.random.default_rng(seed + 1).random((n, 1, size))
    nearer = (np.linalg.norm(u - at, axis=2) < np.linalg.norm(u_true[:, None] - at, axis=2)).sum(axis=1)
    test = kstest((nearer + 0.5) / (count + 1), "uniform")
    return {"distance": float(test.statistic), "p": float(test.pvalue)}


def _uniform_p(ranks: Array) -> list[float]:
    from scipy.stats import kstest

    return [float(kstest(column, "uniform").pvalue) for column in ranks.T]
