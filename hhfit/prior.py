"""Priors over named parameters, mapped to the unit cube by their own CDF."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hhfit.arrays import Array, need_shape, read_only
from hhfit.errors import InputError

KINDS = {
    "uniform": ("low", "high"),
    "log-uniform": ("low", "high"),
    "normal": ("mean", "sd"),
    "log-normal": ("median", "sigma"),
}
"""Kind of prior to the two numbers that define it; ``sigma`` is the sd of the logarithm."""

_EDGE = 1e-12


@dataclass(frozen=True)
class Marginal:
    """Prior of one parameter.

    Args:
        kind: One of ``KINDS``.
        a: First number of the kind: low, mean or median, in the parameter's unit.
        b: Second number of the kind: high, sd or sigma.

    Raises:
        InputError: If the kind is unknown or its numbers make no distribution.
    """

    kind: str
    a: float
    b: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"unknown prior {self.kind!r}; available: {', '.join(KINDS)}")
        first, second = KINDS[self.kind]
        if not (np.isfinite(self.a) and np.isfinite(self.b)):
            raise InputError(f"{self.kind} prior needs finite {first} and {second}, got {self.a} and {self.b}")
        if second == "high" and not self.a < self.b:
            raise InputError(f"{self.kind} prior needs low < high, got {self.a:g} and {self.b:g}")
        if second != "high" and not self.b > 0:
            raise InputError(f"{self.kind} prior needs {second} > 0, got {self.b:g}")
        if self.kind.startswith("log-") and not self.a > 0:
            raise InputError(f"{self.kind} prior needs {first} > 0, got {self.a:g}")

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value."""
        if KINDS[self.kind][1] == "high":
            return self.a, self.b
        return (0.0 if self.kind == "log-normal" else -np.inf), np.inf

    def to_cube(self, theta: Array) -> Array:
        """Cumulative probability; outside the support below 0 or above 1 for bounded kinds."""
        from scipy.special import ndtr

        with np.errstate(all="ignore"):
            match self.kind:
                case "uniform":
                    return (theta - self.a) / (self.b - self.a)
                case "log-uniform":
                    return np.where(theta > 0, np.log(theta / self.a) / np.log(self.b / self.a), -1.0)
                case "normal":
                    return ndtr((theta - self.a) / self.b)
                case _:
                    return np.where(theta > 0, ndtr(np.log(theta / self.a) / self.b), -1.0)

    def from_cube(self, u: Array) -> Array:
        """Quantile function."""
        from scipy.special import ndtri

        match self.kind:
            case "uniform":
                return np.clip(self.a + u * (self.b - self.a), self.a, self.b)
            case "log-uniform":
                return np.clip(self.a * np.exp(u * np.log(self.b / self.a)), self.a, self.b)
            case "normal":
                return self.a + self.b * ndtri(np.clip(u, _EDGE, 1 - _EDGE))
            case _:
                return self.a * np.exp(self.b * ndtri(np.clip(u, _EDGE, 1 - _EDGE)))

    def log_prob(self, theta: Array) -> Array:
        """Log density; minus infinity outside the support."""
        with np.errstate(all="ignore"):
            z = (theta - self.a) / self.b if self.kind == "normal" else np.log(theta / self.a) / self.b
            match self.kind:
                case "uniform":
                    value = np.full_like(theta, -np.log(self.b - self.a))
                case "log-uniform":
                    value = -np.log(theta) - np.log(np.log(self.b / self.a))
                case "normal":
                    value = -0.5 * z**2 - np.log(self.b * np.sqrt(2 * np.pi))
                case _:
                    value = -0.5 * z**2 - np.log(self.b * np.sqrt(2 * np.pi)) - np.log(theta)
        low, high = self.support
        return np.where((theta >= low) & (theta <= high) & np.isfinite(value), value, -np.inf)


@dataclass(frozen=True, eq=False)
class Prior:
    """Marginals over named parameters, independent or tied by a Gaussian copula.

    Args:
        names: Parameter names, length P.
        units: Their units, length P.
        marginals: Their priors, length P.
        correlation: Correlation matrix of the normal scores of the parameters, shape ``(P, P)``; for normal marginals
            that is their correlation. Empty means independent.

    Raises:
        InputError: If names, units and marginals do not match, or the correlation is none.

    Example:
        >>> prior = Prior(("g_na",), ("mS/cm2",), (Marginal("uniform", 0.0, 2.0),))
        >>> prior.to_cube(np.array([[0.5]]))
        array([[0.25]])
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    marginals: tuple[Marginal, ...]
    correlation: Array = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.units) == len(self.marginals) > 0:
            raise InputError("a prior needs at least one parameter, with one unit and one marginal each")
        object.__setattr__(self, "correlation", read_only(self.correlation))
        if self.is_correlated:
            need_shape("correlation", self.correlation, (self.n_parameters, self.n_parameters))
            sound = np.allclose(self.correlation, self.correlation.T) and np.allclose(np.diag(self.correlation), 1)
            if not (sound and np.linalg.eigvalsh(self.correlation).min() > 0):
                raise InputError(
                    "correlation of a prior must be symmetric and positive definite with ones on the diagonal"
                )

    @property
    def is_correlated(self) -> bool:
        """Whether parameters depend on each other."""
        return self.correlation.size > 0

    @property
    def n_parameters(self) -> int:
        """Number of parameters P."""
        return len(self.names)

    @property
    def support(self) -> Array:
        """Smallest and largest possible values, shape ``(P, 2)``."""
        return np.array([marginal.support for marginal in self.marginals])

    @property
    def interval(self) -> Array:
        """Support, or the central 99.8 % where that is unbounded, shape ``(P, 2)``: for axes."""
        return np.stack([self.from_cube(level[None])[0] for level in self._levels], axis=1)

    @property
    def _levels(self) -> tuple[Array, Array]:
        bounded = np.isfinite(self.support).all(axis=1)
        return np.where(bounded, 0.0, 0.001), np.where(bounded, 1.0, 0.999)

    def sample(self, n: int, seed: int) -> Array:
        """Draw ``n`` parameter sets, shape ``(n, P)``."""
        return self.from_cube(np.random.default_rng(seed).random((n, self.n_parameters)))

    def _cumulative(self, theta: Array) -> Array:
        need_shape("theta", theta, (None, self.n_parameters))
        return np.stack([m.to_cube(theta[:, p]) for p, m in enumerate(self.marginals)], axis=1)

    def to_cube(self, theta: Array) -> Array:
        """Map parameters ``(N, P)`` to the unit cube, where the prior is uniform; outside it goes outside."""
        from scipy.special import ndtr, ndtri

        u = self._cumulative(theta)
        if not self.is_correlated:
            return u
        inside = ((u >= 0) & (u <= 1)).all(axis=1, keepdims=True)
        scores = ndtri(u.clip(_EDGE, 1 - _EDGE))
        return np.where(inside, ndtr(np.linalg.solve(np.linalg.cholesky(self.correlation), scores.T).T), -1.0)

    def from_cube(self, u: Array) -> Array:
        """Map points ``(N, P)`` of the unit cube to parameters."""
        from scipy.special import ndtr, ndtri

        need_shape("u", u, (None, self.n_parameters))
        if self.is_correlated:
            u = ndtr(ndtri(u.clip(_EDGE, 1 - _EDGE)) @ np.linalg.cholesky(self.correlation).T)
        return np.stack([m.from_cube(u[:, p]) for p, m in enumerate(self.marginals)], axis=1)

    def log_prob(self, theta: Array) -> Array:
        """Log density of parameters ``(N, P)``, shape ``(N,)``."""
        need_shape("theta", theta, (None, self.n_parameters))
        value = np.sum([m.log_prob(theta[:, p]) for p, m in enumerate(self.marginals)], axis=0)
        return value + self._copula(theta) if self.is_correlated else value

    def _copula(self, theta: Array) -> Array:
        """Log density of the Gaussian copula."""
        from scipy.special import ndtri

        scores = ndtri(self._cumulative(theta).clip(_EDGE, 1 - _EDGE))
        precision = np.linalg.inv(self.correlation)
        extra = np.einsum("np,pq,nq->n", scores, precision - np.eye(self.n_parameters), scores)
        return -0.5 * extra - 0.5 * np.linalg.slogdet(self.correlation)[1]

    def contains(self, theta: Array) -> Array:
        """Whether each parameter set ``(N, P)`` has positive prior density, shape ``(N,)``."""
        return np.isfinite(self.log_prob(theta))


def marginal(table: Mapping[str, Any], where: str) -> Marginal:
    """Prior of one parameter from its TOML table, such as ``{kind = "uniform", low = 0, high = 1}``.

    Raises:
        InputError: If the table is not such a prior; ``where`` names it.
    """
    kind = str(table.get("kind", "uniform"))
    if kind not in KINDS:
        raise InputError(f"{where}: unknown prior {kind!r}; available: {', '.join(KINDS)}")
    if set(table) - {"kind"} != set(KINDS[kind]):
        raise InputError(f"{where}: a {kind} prior is given by {' and '.join(KINDS[kind])}, got {', '.join(table)}")
    try:
        return Marginal(kind, *(float(table[key]) for key in KINDS[kind]))
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from None
