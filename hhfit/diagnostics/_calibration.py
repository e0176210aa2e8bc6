"""Calibration on held-out simulations, whose parameters are known."""

from collections.abc import Sequence
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
NEAREST = 100
"""Simulations around the recording that calibration is measured on once more."""


def unseen(posterior: Amortized, simulations: Simulations) -> Simulations:
    """The simulations that no training has seen."""
    return simulations.rows(np.isin(simulations.index, posterior.held_out))


def calibration(
    posterior: Amortized, known: Simulations, x_o: Array, seed: int, *, columns: Array | None = None
) -> dict[str, Any]:
    """Expected coverage and simulation-based calibration on simulations whose parameters are known.

    Args:
        posterior: The posterior.
        known: Simulations that its training has not seen, their parameters spread like its prior.
        x_o: Observed features, shape ``(F,)``.
        seed: Seed of the draws.
        columns: Features that say what is near the recording; by default all.

    Returns:
        ``n`` held-out simulations; ``coverage`` of the highest-density region per level, and the
        whole ``curve`` of level and coverage; ``tarp``, largest distance of the coverage of random
        balls from what it should be, with its p; per parameter the mean ``rank`` of the truth (0.5
        when calibrated) and the Kolmogorov-Smirnov ``ks_p`` of its uniformity; ``local``, the same
        coverage and rank among the ``n`` simulations that resemble the recording most; ``n = 0``
        with a ``reason`` if there are too few.

    Source:
        Talts et al. 2018 (ranks); Deistler et al. 2022 (expected coverage); Lemos et al. 2023 (TARP).
    """
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(known.usable))[:MAX_ROWS]
    if len(rows) < MIN_ROWS:
        return {"n": 0, "reason": f"only {len(rows)} held-out simulations; at least {MIN_ROWS} needed"}
    theta, x = known.theta[rows], known.x[rows]
    near = np.arange(len(x_o)) if columns is None else columns
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
        "local": _local(x[:, near], x_o[near], mass, ranks, posterior.names),
    }


def _local(x: Array, x_o: Array, mass: Array, ranks: Array, names: Sequence[str]) -> dict[str, Any]:
    """Coverage and ranks among the simulations nearest to the recording, on ranks of their features."""
    columns = np.isfinite(x_o)
    order = np.sort(np.where(np.isfinite(x[:, columns]), x[:, columns], np.nan), axis=0)
    place, place_o = _places(x[:, columns], order), _places(x_o[None, columns], order)
    away = np.abs(place - place_o)
    away = np.where(np.isfinite(away), away, 1.0)
    near = np.argsort((away**2).sum(axis=1), kind="stable")[: min(NEAREST, len(x) // 2)]
    return {
        "n": len(near),
        "coverage": {f"{level:g}": float((mass[near] <= level).mean()) for level in LEVELS},
        "rank": dict(zip(names, ranks[near].mean(axis=0).tolist(), strict=True)),
    }


def _places(x: Array, order: Array) -> Array:
    """Place of every value among the sorted columns, 0 to 1; NaN where it is undefined."""
    n = np.maximum(np.isfinite(order).sum(axis=0), 1)
    columns = [np.searchsorted(order[:, k], x[:, k], side="right") / n[k] for k in range(x.shape[1])]
    return np.where(np.isfinite(x), np.stack(columns, axis=1) if columns else np.zeros(x.shape), np.nan)


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
