"""Parameter sets that stand for a posterior, and its samples as ArviZ wants them."""

from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.result import FitResult


def representatives(result: FitResult, n: int) -> Array:
    """Parameter sets that stand for the posterior, shape ``(n, P)``.

    The first is the most probable predicted draw; each further one is the draw, among the denser
    half of 2000, that is furthest from all before it on the prior's CDF: different neurons that do the same.
    """
    prior, posterior = result.posterior.prior, result.posterior
    pool = result.samples[:2000]
    density = posterior.log_prob(pool)
    pool = pool[density >= np.median(density)]
    chosen = [result.predictive.simulations.theta[result.most_probable]]
    u = prior.to_cube(pool)
    distance = np.linalg.norm(u - prior.to_cube(chosen[0][None]), axis=1)
    for _ in range(min(n, len(pool)) - 1):
        far = int(np.argmax(distance))
        chosen.append(pool[far])
        distance = np.minimum(distance, np.linalg.norm(u - u[far], axis=1))
    return np.stack(chosen)


def arviz_groups(result: FitResult) -> dict[str, dict[str, Any]]:
    """Groups for ``arviz.from_dict(**groups)``: one chain of draws, features observed and predicted."""
    usable = result.predictive.simulations.usable
    x = result.predictive.simulations.x[usable]
    names = result.feature_names
    return {
        "posterior": {name: result.samples[None, :, p] for p, name in enumerate(result.posterior.names)},
        "posterior_predictive": {name: x[None, :, k] for k, name in enumerate(names)},
        "observed_data": {name: result.x_o[k : k + 1] for k, name in enumerate(names)},
    }
