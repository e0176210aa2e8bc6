"""Posteriors made of weighted parameter sets, and distances between features."""

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InferenceError
from hhfit.inference._coordinates import Coordinates
from hhfit.inference._weights import effective
from hhfit.posterior import Posterior
from hhfit.prior import Prior
from hhfit.simulations import Simulations

_UNDEFINED = 3.0
"""Distance, in sds, between a defined feature and an undefined one."""


class Particles(Posterior):
    """Weighted parameter sets.

    Density and draws are those of a Gaussian kernel estimate in the normal scores of the prior's cube, with Scott's
    bandwidth: smooth, inside the prior, and wider than the particles by that bandwidth.

    Args:
        prior: The prior.
        theta: Parameters, shape ``(N, P)``.
        weight: Their weights, shape ``(N,)``.
    """

    def __init__(self, prior: Prior, theta: Array, weight: Array) -> None:
        self._prior, self.theta, self.weight = prior, theta, weight / weight.sum()

    @property
    def prior(self) -> Prior:
        """The prior it was inferred under."""
        return self._prior

    def sample(self, n: int, seed: int) -> Array:
        """Draw ``n`` parameter sets, shape ``(n, P)``."""
        rng = np.random.default_rng(seed)
        place, own, covariance = self._kernel()
        step = rng.standard_normal((n, own.shape[1])) @ np.linalg.cholesky(covariance).T
        return place.back(own[rng.choice(len(own), n, p=self.weight)] + step)

    def _kernel(self) -> tuple[Coordinates, Array, Array]:
        place = Coordinates(self.prior, "probit")
        own = place.to(self.theta)
        return place, own, spread(own, self.weight) * effective(self.weight) ** (-2 / (own.shape[1] + 4))

    def log_prob(self, theta: Array) -> Array:
        """Log density of parameters ``(N, P)``, shape ``(N,)``; minus infinity outside the prior."""
        place, own, covariance = self._kernel()
        theta = np.asarray(theta, dtype=float)
        value = np.where(self.prior.contains(theta), 0.0, -np.inf)
        rows = np.isfinite(value)
        height = kernel_log_density(place.to(theta[rows]), own, self.weight, covariance)
        value[rows] = height + place.log_volume(theta[rows])
        return value


def spread(y: Array, weight: Array) -> Array:
    """Weighted covariance of points ``(N, P)``, with a little added to the diagonal, shape ``(P, P)``."""
    weight = weight / weight.sum()
    away = y - weight @ y
    return (weight[:, None] * away).T @ away + 1e-8 * np.eye(y.shape[1])


def kernel_log_density(at: Array, y: Array, weight: Array, covariance: Array) -> Array:
    """Log of a weighted sum of Gaussians about points ``y`` at points ``at``, shape ``(len(at),)``."""
    root = np.linalg.cholesky(covariance)
    at, y = np.linalg.solve(root, at.T).T, np.linalg.solve(root, y.T).T
    height = -0.5 * at.shape[1] * np.log(2 * np.pi) - np.log(np.diag(root)).sum()
    value = np.empty(len(at))
    with np.errstate(divide="ignore"):
        log_weight = np.log(weight / weight.sum())
    for start in range(0, len(at), 200):
        part = slice(start, start + 200)
        distance = ((at[part, None] - y) ** 2).sum(axis=2)
        value[part] = np.logaddexp.reduce(log_weight - 0.5 * distance, axis=1) + height
    return value


class Distance:
    """Root-mean-square distance of features from the observation, in robust sds of a pilot.

    A feature that is undefined on one side only counts three sds; a failed row is infinitely far.

    Args:
        pilot: Simulations of the prior.
        x_o: Observed features, shape ``(F,)``.

    Raises:
        InferenceError: If no pilot simulation is usable.
    """

    def __init__(self, pilot: Simulations, x_o: Array) -> None:
        if not pilot.usable.any():
            raise InferenceError(
                f"none of {len(pilot)} simulations is usable; look at their outcomes and narrow the prior"
            )
        columns = [column[np.isfinite(column)] for column in pilot.x[pilot.usable].T]
        spreads = [1.4826 * np.median(np.abs(c - np.median(c))) if len(c) else 0.0 for c in columns]
        sds = [c.std() if len(c) else 0.0 for c in columns]
        self._scale = np.array([mad or sd or 1.0 for mad, sd in zip(spreads, sds, strict=True)])
        self._x_o = np.asarray(x_o, dtype=float)

    def each(self, simulations: Simulations) -> Array:
        """Distance feature by feature, shape ``(N, F)``."""
        away = np.abs(simulations.x - self._x_o) / self._scale
        one_sided = np.isfinite(simulations.x) != np.isfinite(self._x_o)
        away = np.where(one_sided, _UNDEFINED, np.where(np.isfinite(away), away, 0.0))
        return np.where(simulations.usable[:, None], away, np.inf)

    def __call__(self, simulations: Simulations) -> Array:
        """Distance of every row, shape ``(N,)``."""
        return np.sqrt((self.each(simulations) ** 2).mean(axis=1))


def closest(distance: Array, share: float, least: int) -> Array:
    """Row numbers of the closest share of rows, at least so many, failed ones never.

    Raises:
        InferenceError: If every row failed.
    """
    count = min(max(round(share * len(distance)), least), int(np.isfinite(distance).sum()))
    if not count:
        raise InferenceError("every simulation failed; look at their outcomes and narrow the prior")
    return np.argsort(distance, kind="stable")[:count]
