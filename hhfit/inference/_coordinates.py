"""Coordinates in which Gaussians describe a posterior, and the prior as a Gaussian factor there."""

from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError, UnsupportedError
from hhfit.prior import Prior

SPACES = ("natural", "truncated", "probit")
_EDGE = 1e-9


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Parameters as Gaussian densities want them.

    ``"natural"`` takes logarithms of log-uniform and log-normal parameters and scales all by the prior: there the prior
    is a box or a Gaussian, as the SNPE papers assume, and a Gaussian can leak out of a box. ``"truncated"`` takes the
    same, but Gaussians are learned as what the box leaves of them, so that nothing leaks, and what is Gaussian stays so
    however near a bound. ``"probit"`` takes the normal scores of the prior's cube: there every prior is a standard
    normal, and nothing can leak.

    Args:
        prior: The prior.
        space: ``"natural"``, ``"truncated"`` or ``"probit"``.

    Raises:
        InputError: If the space is unknown.
        UnsupportedError: If the prior is no Gaussian factor in natural coordinates.
    """

    prior: Prior
    space: str

    def __post_init__(self) -> None:
        if self.space not in SPACES:
            raise InputError(f"unknown space {self.space!r}; available: {', '.join(SPACES)}")
        if self.space != "probit" and self.prior.is_correlated and not self._unbounded.all():
            raise UnsupportedError(
                "a correlated prior with bounded parameters has no natural Gaussian; use space='probit'"
            )

    @property
    def _unbounded(self) -> Array:
        return np.array([marginal.kind in ("normal", "log-normal") for marginal in self.prior.marginals])

    @property
    def _scale(self) -> tuple[Array, Array]:
        """Centre and width of every parameter, after logarithms; bounded ones get a unit sd."""
        numbers = np.array([(m.a, m.b) for m in self.prior.marginals])
        kinds = [m.kind for m in self.prior.marginals]
        a = np.where([kind.startswith("log-") for kind in kinds], np.log(np.abs(numbers[:, 0]) + 1e-300), numbers[:, 0])
        b = np.where([kind == "log-uniform" for kind in kinds], np.log(np.abs(numbers[:, 1]) + 1e-300), numbers[:, 1])
        bounded = ~self._unbounded
        return np.where(bounded, (a + b) / 2, a), np.where(bounded, np.abs(b - a) / np.sqrt(12), b)

    @property
    def _logs(self) -> Array:
        return np.array([marginal.kind.startswith("log-") for marginal in self.prior.marginals])

    @property
    def bounds(self) -> Array:
        """The prior's bounds in these coordinates, shape ``(2, P)``; infinite where it has none."""
        if self.space == "probit":
            return np.array([[-np.inf], [np.inf]]) * np.ones(self.prior.n_parameters)
        centre, width = self._scale
        support = self.prior.support.T
        with np.errstate(divide="ignore"):
            logs = np.log(np.where(self._logs, support, 1.0))
        return (np.where(self._logs, logs, support) - centre) / width

    @property
    def cut(self) -> Array | None:
        """The bounds that Gaussians are cut off at while they are learned, shape ``(2, P)``; ``None`` for nowhere."""
        bounds = self.bounds
        return bounds if self.space == "truncated" and np.isfinite(bounds).any() else None

    @property
    def precision(self) -> Array:
        """Precision of the prior's Gaussian factor about zero, shape ``(P, P)``; zero where the prior is flat."""
        size = self.prior.n_parameters
        if self.space == "probit":
            return np.eye(size)
        if self.prior.is_correlated:
            return np.linalg.inv(self.prior.correlation)
        return np.diag(self._unbounded.astype(float))

    def to(self, theta: Array) -> Array:
        """Coordinates of parameters ``(N, P)`` inside the prior."""
        from scipy.special import ndtri

        if self.space == "probit":
            return ndtri(self.prior.to_cube(theta).clip(_EDGE, 1 - _EDGE))
        centre, width = self._scale
        return (np.where(self._logs, np.log(np.where(self._logs, theta, 1.0)), theta) - centre) / width

    def back(self, y: Array) -> Array:
        """Parameters at coordinates ``(N, P)``; in natural coordinates they may lie outside the prior."""
        from scipy.special import ndtr

        if self.space == "probit":
            return self.prior.from_cube(ndtr(y).clip(_EDGE, 1 - _EDGE))
        centre, width = self._scale
        value = centre + width * y
        return np.where(self._logs, np.exp(np.where(self._logs, value, 0.0)), value)

    def log_volume(self, theta: Array) -> Array:
        """Log of the volume in coordinates per volume in parameters ``(N, P)`` inside the prior, shape ``(N,)``."""
        if self.space == "probit":
            y = self.to(theta)
            standard = -0.5 * (y**2).sum(axis=1) - 0.5 * y.shape[1] * np.log(2 * np.pi)
            return self.prior.log_prob(theta) - standard
        return -np.log(self._scale[1]).sum() - np.where(self._logs, np.log(np.where(self._logs, theta, 1.0)), 0).sum(
            axis=1
        )

    def log_prior(self, theta: Array) -> Array:
        """Log density of the prior in these coordinates at parameters ``(N, P)``; minus infinity outside."""
        value = self.prior.log_prob(theta)
        rows = np.isfinite(value)
        value[rows] -= self.log_volume(theta[rows])
        return value
