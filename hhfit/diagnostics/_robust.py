"""A posterior for a recording that the model cannot quite produce."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.diagnostics._novelty import firing_class
from hhfit.errors import InputError
from hhfit.posterior import Amortized
from hhfit.simulations import Simulations

SLAB = 0.25
"""Scale of the Cauchy slab, in sds of a feature over simulations of the firing class."""

SPIKE = 0.01
"""Least sd of the spike, likewise; it is doubled until enough simulations carry weight."""

PRIOR_WELL = 0.5
"""Prior probability that a feature is well specified."""

ENOUGH = 50.0


@dataclass(frozen=True, eq=False)
class Robust:
    """Posterior draws under an error model of the features, and which features it blames.

    Args:
        samples: Draws, shape ``(n, P)``.
        misspecified: Probability that each feature is not what the model can produce, by name.
        effective: Effective number of simulations that stand in for the recording.
        spike_sd: Sd of the spike that was needed, in sds of a feature.
    """

    samples: Array
    misspecified: dict[str, float]
    effective: float
    spike_sd: float


def robust(
    posterior: Amortized, simulations: Simulations, x_o: Array, *, names: Sequence[str], n: int, seed: int
) -> Robust:
    """Posterior averaged over what the recording's features might have been without misspecification.

    Each observed feature is either right (a narrow spike) or off (a Cauchy slab). Simulations of the
    recording's firing class, weighted by how well they explain it so, stand in for it; the posterior
    is averaged over them. It is wider than the plain one, and ignores features that cannot be met.

    Args:
        posterior: The posterior.
        simulations: Simulations from the distribution that it was trained on.
        x_o: Observed features, shape ``(F,)``.
        names: Their names.
        n: Draws.
        seed: Seed of the draws.

    Raises:
        InputError: If too few simulations are of the recording's firing class.

    Source:
        Ward et al. 2022, robust neural posterior estimation, with simulations in place of a density of x.
    """
    usable = simulations.rows(simulations.usable)
    rows, columns = firing_class(usable.x, x_o, names)
    if len(rows) < 2 * ENOUGH or not len(columns):
        raise InputError(f"only {len(rows)} simulations fire as the recording does; a robust posterior needs more")
    x = usable.x[np.ix_(rows, columns)]
    scale = np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    away = (x_o[columns] - x) / scale
    weights, blame, spike_sd = _explain(away)
    rng = np.random.default_rng(seed)
    chosen, counts = np.unique(rng.choice(rows, n, p=weights), return_counts=True)
    drawn = posterior.sample_at(usable.x[chosen], int(counts.max()), seed)
    samples = np.concatenate([drawn[k, :count] for k, count in enumerate(counts)])
    misspecified = {names[column]: float(weights @ blame[:, k]) for k, column in enumerate(columns)}
    return Robust(samples[rng.permutation(n)], misspecified, float(1 / (weights**2).sum()), spike_sd)


def robust_table(found: Robust, samples: Array, names: Sequence[str]) -> dict[str, Any]:
    """What a robust posterior says beside the plain one, fit for JSON.

    Args:
        found: The robust posterior.
        samples: Draws from the plain one, shape ``(n, P)``.
        names: Names of the parameters.

    Returns:
        ``misspecified`` probability by feature, largest first; ``effective`` simulations; ``parameters``: by name the
        robust ``mean``, ``sd``, ``q025`` and ``q975``, and its ``shift_sd`` from the plain mean in plain sds.
    """
    centre, spread = samples.mean(axis=0), samples.std(axis=0)
    low, high = np.quantile(found.samples, [0.025, 0.975], axis=0)
    table = {}
    for p, name in enumerate(names):
        column = found.samples[:, p]
        shift = (column.mean() - centre[p]) / spread[p] if spread[p] > 0 else np.nan
        table[name] = {"mean": column.mean(), "sd": column.std(), "q025": low[p], "q975": high[p], "shift_sd": shift}
    worst = sorted(found.misspecified.items(), key=lambda item: -item[1])
    return {"misspecified": dict(worst), "effective": found.effective, "spike_sd": found.spike_sd, "parameters": table}


def _explain(away: Array) -> tuple[Array, Array, float]:
    """Weight of every simulation, probability of the slab for each of its features, sd of the spike."""
    slab = (1 - PRIOR_WELL) / (np.pi * SLAB * (1 + (away / SLAB) ** 2))
    sd = SPIKE
    while True:
        spike = PRIOR_WELL * np.exp(-0.5 * (away / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
        log_weight = np.log(spike + slab).sum(axis=1)
        weights = np.exp(log_weight - log_weight.max())
        weights /= weights.sum()
        if 1 / (weights**2).sum() >= ENOUGH or sd > 1:
            return weights, slab / (spike + slab), sd
        sd *= 2
