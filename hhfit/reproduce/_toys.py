"""Simulators of the papers' toy problems that are no neurons and have no exact posterior."""

from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np

from hhfit.arrays import Array
from hhfit.prior import Marginal, Prior
from hhfit.references import Reference
from hhfit.simulations import Simulations
from hhfit.traces import Status


def rows(theta: Array, x: Array, first: int) -> Simulations:
    """Simulations numbered from ``first``; a row with no finite feature counts as not finite."""
    failed = ~np.isfinite(x).any(axis=1)
    status = np.where(failed, Status.NOT_FINITE, Status.OK)
    return Simulations(theta, np.where(failed[:, None], np.nan, x), status, first + np.arange(len(theta)))


@dataclass(frozen=True)
class LotkaVolterra:
    """Predators and prey as a Markov jump process, seen through nine statistics of 151 samples to time 30.

    Four reactions: a predator is born, a predator dies, prey is born, prey is eaten. A run of more than 10,000
    reactions is a failed simulation.

    Source:
        Papamakarios & Murray 2016, section 3.3 and their code; x_o is the one stored with it.
    """

    @property
    def prior(self) -> Prior:
        """Log-uniform rates, as in the paper."""
        names = ("birth_predator", "death_predator", "birth_prey", "death_prey")
        return Prior(names, ("1",) * 4, (Marginal("log-uniform", np.exp(-5.0), np.exp(2.0)),) * 4)

    @property
    def truth(self) -> Array:
        """Rates that made the paper's observation."""
        return np.array([0.01, 0.5, 1.0, 0.01])

    @property
    def x_o(self) -> Array:
        """The paper's observed statistics."""
        return np.array([95.225, 51.967, 8.674, 8.051, 0.980, 0.935, 0.977, 0.927, 0.0229])

    def simulate(self, theta: Array, first: int) -> Simulations:
        """Simulations numbered from ``first``."""
        seeds = np.random.SeedSequence((2016, first)).generate_state(len(theta), np.uint32)
        paths = _compiled().paths(np.ascontiguousarray(theta, dtype=float), seeds.astype(np.int64))
        return rows(theta, statistics(paths), first)


def statistics(paths: Array) -> Array:
    """Means, log variances, autocorrelations at lags 1 and 2, and cross-correlation of ``(N, 151, 2)`` populations.

    Args:
        paths: Predators and prey over time; NaN where a run was stopped.

    Returns:
        Shape ``(N, 9)``; NaN where a run was stopped.
    """
    mean, sd = paths.mean(axis=1), paths.std(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(
            sd[:, None] > 0, (paths - mean[:, None]) / sd[:, None], np.where(np.isnan(sd[:, None]), np.nan, 0.0)
        )
    n = paths.shape[1]
    lags = [(z[:, lag:] * z[:, :-lag]).sum(axis=1) / (n - 1) for lag in (1, 2)]
    cross = (z[..., 0] * z[..., 1]).sum(axis=1, keepdims=True) / (n - 1)
    auto = np.stack([lags[0][:, 0], lags[1][:, 0], lags[0][:, 1], lags[1][:, 1]], axis=1)
    return np.concatenate([mean, np.log(paths.var(axis=1) + 1), auto, cross], axis=1)


@cache
def _compiled() -> ModuleType:
    """The compiled jump process; its module is loaded when it is first needed."""
    from hhfit.reproduce import _jumps

    return _jumps


@dataclass(frozen=True)
class Queue:
    """A queue with one server, seen through five percentiles of the times between 50 departures.

    Parameters: shortest service, width of the service times, rate of arrivals.

    Source:
        Papamakarios & Murray 2016, section 3.4 and their code.
    """

    customers: int = 50

    @property
    def prior(self) -> Prior:
        """Uniform, as in the paper."""
        sides = (10.0, 10.0, 1 / 3)
        names = ("shortest_service", "service_width", "arrival_rate")
        return Prior(names, ("1",) * 3, tuple(Marginal("uniform", 0.0, side) for side in sides))

    @property
    def truth(self) -> Array:
        """Parameters of the paper's observation: service from 1 to 5, 0.2 arrivals."""
        return np.array([1.0, 4.0, 0.2])

    def draw(self, theta: Array, rng: np.random.Generator) -> Array:
        """Percentiles 0, 25, 50, 75, 100 of the times between departures, shape ``(N, 5)``."""
        size = (len(theta), self.customers)
        service = theta[:, :1] + theta[:, 1:2] * rng.random(size)
        with np.errstate(divide="ignore"):
            arrival = np.cumsum(rng.standard_exponential(size) / theta[:, 2:], axis=1)
        departure = np.zeros(size)
        free = np.zeros(len(theta))
        for i in range(self.customers):
            free = np.maximum(free, arrival[:, i]) + service[:, i]
            departure[:, i] = free
        gaps = np.diff(departure, axis=1, prepend=0.0)
        return np.percentile(gaps, [0, 25, 50, 75, 100], axis=1).T

    def simulate(self, theta: Array, first: int) -> Simulations:
        """Simulations numbered from ``first``."""
        return rows(theta, self.draw(theta, np.random.default_rng((2016, first))), first)


@dataclass(frozen=True)
class LinearRegression:
    """Six weights seen through ten noisy points of a line in six dimensions; the posterior is Gaussian.

    Args:
        noise: Standard deviation of the noise.
        seed: Seed of the ten inputs.

    Source:
        Papamakarios & Murray 2016, section 3.2; weights from their code, whose inputs are not stored.
    """

    noise: float = 0.1
    seed: int = 0

    @property
    def prior(self) -> Prior:
        """Standard normal."""
        return Prior(tuple(f"w{i}" for i in range(1, 7)), ("1",) * 6, (Marginal("normal", 0.0, 1.0),) * 6)

    @property
    def truth(self) -> Array:
        """The paper's weights."""
        return np.array([-0.0935, -1.3086, -0.7516, 0.3054, -0.4321, 0.4322])

    @property
    def inputs(self) -> Array:
        """Ten points, shape ``(10, 6)``."""
        return np.random.default_rng(self.seed).standard_normal((10, 6))

    def draw(self, theta: Array, rng: np.random.Generator) -> Array:
        """Ten noisy values, shape ``(N, 10)``."""
        return theta @ self.inputs.T + self.noise * rng.standard_normal((len(theta), 10))

    def simulate(self, theta: Array, first: int) -> Simulations:
        """Simulations numbered from ``first``."""
        return rows(theta, self.draw(theta, np.random.default_rng((2016, first))), first)

    def exact(self, x_o: Array) -> tuple[Array, Array]:
        """Mean ``(6,)`` and covariance ``(6, 6)`` of the posterior."""
        covariance = np.linalg.inv(np.eye(6) + self.inputs.T @ self.inputs / self.noise**2)
        return covariance @ self.inputs.T @ x_o / self.noise**2, covariance


@dataclass(frozen=True, eq=False)
class CubeRoot(Reference):
    """One parameter seen through its cube root and noise.

    Args:
        prior: A normal prior.
        sd: Standard deviation of the noise.

    Source:
        Lueckmann et al. 2017, figure 1B; of the four settings in the stored draft this is the last one's noise.
    """

    sd: float = np.sqrt(0.1)

    @classmethod
    def of_paper(cls) -> "CubeRoot":
        """The problem with the prior N(5, 3^2)."""
        return cls(Prior(("theta",), ("1",), (Marginal("normal", 5.0, 3.0),)))

    def draw(self, theta: Array, rng: np.random.Generator) -> Array:
        """Observations of parameters ``(N, 1)``."""
        return np.cbrt(theta) + self.sd * rng.standard_normal(theta.shape)

    def log_likelihood(self, theta: Array, x_o: Array) -> Array:
        """Log probability of an observation."""
        z = (x_o[0] - np.cbrt(theta[:, 0])) / self.sd
        return -0.5 * z**2 - np.log(self.sd * np.sqrt(2 * np.pi))

    def sample(self, x_o: Array, n: int, seed: int) -> Array:
        """Draws from the exact posterior, on a fine grid of the prior's cube."""
        u, chance = self.grid(x_o, 20_000)
        return self.prior.from_cube(u[np.random.default_rng(seed).choice(len(u), n, p=chance)])

    def moments(self, x_o: Array) -> tuple[float, float]:
        """Mean and variance of the exact posterior."""
        u, chance = self.grid(x_o, 100_000)
        theta = self.prior.from_cube(u)[:, 0]
        mean = float(chance @ theta)
        return mean, float(chance @ (theta - mean) ** 2)
