"""Where the posterior's mass lies, and how much narrower than the prior it is."""

from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.prior import Prior

SHELL = 0.01
"""Width of the prior's outer shell, as a fraction of its probability on each side."""


def leaked_mass(samples: Array, prior: Prior) -> float:
    """Fraction of samples ``(n, P)`` outside the prior's support."""
    return float(1.0 - prior.contains(samples).mean())


def boundary_mass(samples: Array, prior: Prior, width: float = SHELL) -> dict[str, Any]:
    """Posterior mass in the outer shell of the prior.

    Args:
        samples: Draws from the posterior, shape ``(n, P)``.
        prior: The prior.
        width: Width of the shell on each side, in prior probability.

    Returns:
        ``mass`` in the shell, what the ``prior`` itself has there, and the mass ``low`` and
        ``high`` for each parameter.

    Example:
        >>> from hhfit.prior import Marginal
        >>> prior = Prior(("g",), ("mS/cm2",), (Marginal("uniform", 0.0, 1.0),))
        >>> boundary_mass(np.array([[0.001], [0.5], [0.6], [0.7]]), prior)["mass"]
        0.25
    """
    u = prior.to_cube(samples)
    low, high = u < width, u > 1.0 - width
    return {
        "mass": float((low | high).any(axis=1).mean()),
        "prior": float(1.0 - (1.0 - 2.0 * width) ** prior.n_parameters),
        "width": width,
        "low": dict(zip(prior.names, low.mean(axis=0).tolist(), strict=True)),
        "high": dict(zip(prior.names, high.mean(axis=0).tolist(), strict=True)),
    }


def contraction(samples: Array, prior: Prior) -> Array:
    """How much each parameter was learned: 1 - posterior variance / prior variance, shape ``(P,)``.

    Measured on the prior's CDF, so that it means the same for every kind of prior: 0 is nothing
    learned, 1 is a point; negative is a posterior wider than the prior.
    """
    return 1.0 - prior.to_cube(samples).var(axis=0) * 12.0


def correlations(samples: Array, prior: Prior) -> Array:
    """Correlation of every pair of parameters on the prior's CDF, shape ``(P, P)``."""
    u = prior.to_cube(samples)
    centred = u - u.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=0))
    scale[scale == 0] = 1.0
    matrix = (centred / scale).T @ (centred / scale)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def conditional_correlations(samples: Array, prior: Prior) -> Array:
    """Correlation of every pair with all other parameters held fixed, shape ``(P, P)``.

    Taken on the normal scores of the prior's CDF, where it is minus the scaled precision matrix: exact
    for a Gaussian posterior, its linear part otherwise. A pair that is strongly correlated here
    compensates each other; a small marginal correlation can hide that.
    """
    from scipy.special import ndtri

    z = ndtri(np.clip(prior.to_cube(samples), 1e-6, 1 - 1e-6))
    precision = np.linalg.pinv(np.atleast_2d(np.cov(z, rowvar=False)))
    scale = np.sqrt(np.diag(precision))
    matrix = -precision / np.outer(scale, scale)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def effective_sample_size(samples: Array) -> float:
    """Independent draws that samples ``(n, P)`` with repeated rows are worth: ``n^2 / sum(m^2)``.

    Resampling and Markov chains repeat rows; draws from a density do not.

    Example:
        >>> effective_sample_size(np.array([[1.0], [1.0], [2.0], [2.0]]))
        2.0
    """
    _, multiplicity = np.unique(samples, axis=0, return_counts=True)
    return float(len(samples) ** 2 / (multiplicity.astype(float) ** 2).sum())
