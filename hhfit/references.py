"""Problems whose posterior is known exactly: what every inference method is measured against."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.prior import Marginal, Prior
from hhfit.simulations import Simulations


@dataclass(frozen=True, eq=False)
class Reference(ABC):
    """A prior, a simulator and the exact posterior that follow from each other.

    Args:
        prior: Prior over the parameters.
    """

    prior: Prior

    @abstractmethod
    def draw(self, theta: Array, rng: np.random.Generator) -> Array:
        """Features of parameters ``(N, P)``, shape ``(N, F)``."""

    @abstractmethod
    def sample(self, x_o: Array, n: int, seed: int) -> Array:
        """Draws from the exact posterior of one observation ``(F,)``, shape ``(n, P)``."""

    @abstractmethod
    def log_likelihood(self, theta: Array, x_o: Array) -> Array:
        """Log probability of an observation given parameters ``(N, P)``, shape ``(N,)``."""

    def simulate(self, theta: Array, first: int) -> Simulations:
        """Simulations numbered from ``first``; none fails."""
        x = self.draw(theta, np.random.default_rng((20_170_601, first)))
        return Simulations(theta, x, np.zeros(len(theta)), first + np.arange(len(theta)))

    def observation(self, seed: int) -> Array:
        """An observation made by parameters from the prior, shape ``(F,)``."""
        return self.draw(self.prior.sample(1, seed), np.random.default_rng((99, seed)))[0]

    def grid(self, x_o: Array, points: int) -> tuple[Array, Array]:
        """Exact posterior on a grid at the centres of equal cells of the prior's cube.

        Returns:
            Cube points, shape ``(points ** P, P)``, and their probabilities, which add up to 1.
        """
        u = cells(points, self.prior.n_parameters)
        return u, normalised(self.log_likelihood(self.prior.from_cube(u), x_o))


_NO_CHANCE = 1e-10
"""Probability of a cell below which it is none of the posterior's."""


def cells(points: int, size: int) -> Array:
    """Centres of equal cells of the unit cube, shape ``(points ** size, size)``."""
    centres = (np.arange(points) + 0.5) / points
    return np.stack(np.meshgrid(*[centres] * size, indexing="ij"), axis=-1).reshape(-1, size)


def normalised(height: Array) -> Array:
    """Probabilities from log heights, adding up to 1.

    Example:
        >>> normalised(np.log([1.0, 3.0]))
        array([0.25, 0.75])
    """
    weight = np.exp(height - height.max())
    return weight / weight.sum()


def _names(size: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(f"theta_{i + 1}" for i in range(size)), ("1",) * size


def box(size: int, half: float) -> Prior:
    """Uniform prior from ``-half`` to ``half`` in every direction."""
    return Prior(*_names(size), (Marginal("uniform", -half, half),) * size)


def normal(sd: Array, correlation: Array) -> Prior:
    """Normal prior of mean zero with the given sds ``(P,)`` and correlation matrix."""
    return Prior(*_names(len(sd)), tuple(Marginal("normal", 0.0, float(s)) for s in sd), correlation)


@dataclass(frozen=True, eq=False)
class LinearGaussian(Reference):
    """``x = theta + sd * noise`` under a box prior or a normal prior, correlated or not.

    Args:
        prior: ``box(...)`` or ``normal(...)``.
        sd: Standard deviation of the noise.

    Source:
        Lueckmann et al. 2021 (sbibm), gaussian_linear and gaussian_linear_uniform, with sd = sqrt(0.1).
    """

    sd: float = np.sqrt(0.1)

    def draw(self, theta: Array, rng: np.random.Generator) -> Array:
        """Features of parameters ``(N, P)``."""
        return theta + self.sd * rng.standard_normal(theta.shape)

    def log_likelihood(self, theta: Array, x_o: Array) -> Array:
        """Log probability of an observation."""
        z = (x_o - theta) / self.sd
        return -0.5 * (z**2).sum(axis=1) - len(x_o) * np.log(self.sd * np.sqrt(2 * np.pi))

    def moments(self, x_o: Array) -> tuple[Array, Array]:
        """Mean and covariance of the posterior.

        Raises:
            InputError: If the prior is neither uniform nor normal.
        """
        from scipy import stats

        kinds = {marginal.kind for marginal in self.prior.marginals}
        if kinds == {"uniform"}:
            low, high = self.prior.support.T
            exact = stats.truncnorm((low - x_o) / self.sd, (high - x_o) / self.sd, x_o, self.sd)
            return exact.mean(), np.diag(exact.var())
        if kinds != {"normal"}:
            raise InputError(f"prior is {', '.join(sorted(kinds))}, the closed form needs all uniform or all normal")
        mean, sd = (np.array([getattr(m, name) for m in self.prior.marginals]) for name in ("a", "b"))
        inner = self.prior.correlation if self.prior.is_correlated else np.eye(len(sd))
        prior = np.linalg.inv(inner * np.outer(sd, sd))
        covariance = np.linalg.inv(prior + np.eye(len(sd)) / self.sd**2)
        return covariance @ (prior @ mean + x_o / self.sd**2), covariance

    def sample(self, x_o: Array, n: int, seed: int) -> Array:
        """Draws from the exact posterior."""
        from scipy import stats

        rng = np.random.default_rng(seed)
        if self.prior.marginals[0].kind != "uniform":
            return rng.multivariate_normal(*self.moments(x_o), n)
        low, high = self.prior.support.T
        exact = stats.truncnorm((low - x_o) / self.sd, (high - x_o) / self.sd, x_o, self.sd)
        return exact.rvs((n, len(x_o)), random_state=rng)


@dataclass(frozen=True, eq=False)
class TwoMoons(Reference):
    """Two crescents that face each other.

    Source:
        Greenberg et al. 2019; constants of Lueckmann et al. 2021 (sbibm), with the prior U(-1, 1).
    """

    def draw(self, theta: Array, rng: np.random.Generator) -> Array:
        """Features of parameters ``(N, 2)``."""
        return self._crescent(len(theta), rng) + self._centre(theta)

    @staticmethod
    def _crescent(n: int, rng: np.random.Generator) -> Array:
        angle, radius = np.pi * (rng.random(n) - 0.5), 0.1 + 0.01 * rng.standard_normal(n)
        return np.stack([radius * np.cos(angle) + 0.25, radius * np.sin(angle)], axis=1)

    @staticmethod
    def _centre(theta: Array) -> Array:
        plus, minus = theta[:, 0] + theta[:, 1], theta[:, 1] - theta[:, 0]
        return np.stack([-np.abs(plus), minus], axis=1) / np.sqrt(2)

    def log_likelihood(self, theta: Array, x_o: Array) -> Array:
        """Log probability of an observation; the radius has density N(0.1, 0.01) and the angle is uniform."""
        from scipy.special import logsumexp

        at = x_o - self._centre(theta) - np.array([0.25, 0.0])
        radius = np.hypot(*at.T)
        # a negative radius points to the other side; it has weight exp(-50) and is kept for exactness
        both = np.stack(
            [np.where(sign * at[:, 0] > 0, -0.5 * ((sign * radius - 0.1) / 0.01) ** 2, -np.inf) for sign in (1, -1)]
        )
        with np.errstate(divide="ignore"):
            return logsumexp(both, axis=0) - np.log(0.01 * np.sqrt(2 * np.pi) * np.pi * radius)

    def sample(self, x_o: Array, n: int, seed: int) -> Array:
        """Draws from the exact posterior: the crescent that noise made, drawn and turned back."""
        rng, kept = np.random.default_rng(seed), np.empty((0, 2))
        while len(kept) < n:
            centre = (x_o - self._crescent(4 * n, rng)) * np.sqrt(2)
            plus = -centre[:, 0] * rng.choice([-1.0, 1.0], len(centre))
            theta = np.stack([plus - centre[:, 1], plus + centre[:, 1]], axis=1) / 2
            kept = np.concatenate([kept, theta[(centre[:, 0] <= 0) & self.prior.contains(theta)]])
        return kept[:n]


@dataclass(frozen=True, eq=False)
class Mixture(Reference):
    """One parameter seen through a mixture: ``x`` is normal about ``sign_i * theta`` with ``sd_i``, in equal parts.

    Args:
        prior: ``box(1, 10)`` in both papers.
        signs: Sign of the parameter in each part.
        sds: Standard deviation of each part.

    Source:
        Papamakarios & Murray 2016 (signs 1, 1; sds 1, 0.1; x_o = 0); Lueckmann et al. 2017, figure 2B
        (signs 1, -1; sds 1, 1; x_o = 5).
    """

    signs: tuple[float, ...] = (1.0, 1.0)
    sds: tuple[float, ...] = (1.0, 0.1)

    def draw(self, theta: Array, rng: np.random.Generator) -> Array:
        """Features of parameters ``(N, 1)``."""
        part = rng.integers(0, len(self.signs), len(theta))
        noise = np.array(self.sds)[part] * rng.standard_normal(len(theta))
        return np.array(self.signs)[part][:, None] * theta + noise[:, None]

    def log_likelihood(self, theta: Array, x_o: Array) -> Array:
        """Log probability of an observation."""
        from scipy.special import logsumexp

        sds = np.array(self.sds)
        z = (x_o[0] - theta * np.array(self.signs)) / sds
        return logsumexp(-0.5 * z**2 - np.log(sds * np.sqrt(2 * np.pi)), axis=1) - np.log(len(sds))

    def sample(self, x_o: Array, n: int, seed: int) -> Array:
        """Draws from the exact posterior, by rejection of what falls outside the prior."""
        rng, kept = np.random.default_rng(seed), np.empty((0, 1))
        while len(kept) < n:
            part = rng.integers(0, len(self.signs), 2 * n)
            theta = np.array(self.signs)[part] * (x_o[0] + np.array(self.sds)[part] * rng.standard_normal(2 * n))
            kept = np.concatenate([kept, theta[self.prior.contains(theta[:, None])][:, None]])
        return kept[:n]


_STEPS = np.arange(1, 10)


def _glm_prior() -> Prior:
    lower = np.eye(9) - np.eye(9, k=-1)
    smooth = lower @ lower + np.diag(np.sqrt(np.arange(9) / 9))
    precision = np.zeros((10, 10))
    precision[0, 0], precision[1:, 1:] = 0.5, smooth.T @ smooth
    covariance = np.linalg.inv(precision)
    sd = np.sqrt(np.diag(covariance))
    return normal(sd, covariance / np.outer(sd, sd))


@dataclass(frozen=True, eq=False)
class Glm(Reference):
    """Ten weights of a Bernoulli neuron driven by white noise in 100 time bins, under a smooth correlated prior.

    Args:
        prior: ``Glm.of_paper().prior``.
        current: Input in every time bin, shape ``(100,)``.

    Source:
        Lueckmann et al. 2017, figure 2C-F; prior and input as in the authors' scripts.
    """

    prior: Prior
    current: Array = field(default_factory=lambda: np.random.default_rng(42).standard_normal(100))

    @classmethod
    def of_paper(cls) -> "Glm":
        """The problem with the paper's prior."""
        return cls(_glm_prior())

    @property
    def truth(self) -> Array:
        """The paper's parameters, shape ``(10,)``."""
        return np.concatenate([[-2.0], _STEPS**3 * np.exp(-_STEPS)])

    @property
    def design(self) -> Array:
        """A one and the last nine inputs for every time bin, shape ``(100, 10)``."""
        lags = [np.concatenate([np.zeros(k), self.current[: 100 - k]]) for k in range(9)]
        return np.stack([np.ones(100), *lags], axis=1)

    def draw(self, theta: Array, rng: np.random.Generator) -> Array:
        """Spike count and spike-triggered sums, which are sufficient, of parameters ``(N, 10)``."""
        from scipy.special import expit

        spikes = rng.random((len(theta), 100)) < expit(theta @ self.design.T)
        return spikes @ self.design

    def log_likelihood(self, theta: Array, x_o: Array) -> Array:
        """Log probability of an observation, up to the number of spike trains that share it."""
        return theta @ x_o - np.logaddexp(0, theta @ self.design.T).sum(axis=1)

    def sample(self, x_o: Array, n: int, seed: int) -> Array:
        """Draws from the exact posterior: importance resampling of a Student-t at the mode."""
        return self.resample(x_o, n, seed)[0]

    def resample(self, x_o: Array, n: int, seed: int) -> tuple[Array, float]:
        """Draws from the exact posterior, and the share of effective draws that they were chosen from."""
        from scipy import optimize, stats

        def height(theta: Array) -> Array:
            return self.prior.log_prob(theta) + self.log_likelihood(theta, x_o)

        mode = optimize.minimize(lambda t: -height(t[None])[0], np.zeros(10), method="BFGS", options={"maxiter": 1000})
        sd = np.array([m.b for m in self.prior.marginals])
        rate = 1 / (1 + np.exp(-self.design @ mode.x))
        precision = np.linalg.inv(self.prior.correlation * np.outer(sd, sd))
        precision = precision + self.design.T @ ((rate * (1 - rate))[:, None] * self.design)
        wide = stats.multivariate_t(mode.x, 1.2 * np.linalg.inv(precision), df=8)
        rng = np.random.default_rng(seed)
        theta = wide.rvs(max(20 * n, 20_000), random_state=rng)
        weight = normalised(height(theta) - wide.logpdf(theta))
        return theta[rng.choice(len(theta), n, p=weight)], float(1 / (weight**2).sum() / len(theta))


@dataclass(frozen=True, eq=False)
class Invalid(Reference):
    """Parameters and observations on 16 x 16 values, where about half of all simulations fail.

    Whether a simulation fails is a matter of its response alone, with chances that make 0.035 to 1 of the simulations
    of a parameter valid. ``simulate`` marks the failed rows; the exact posterior is that of a valid observation.
    """

    values: int = 16

    @property
    def table(self) -> tuple[Array, Array]:
        """Chance of each response given each parameter, ``(16, 16)``, and whether a response fails, ``(16,)``."""
        at = np.arange(self.values)
        height = np.exp(-0.5 * ((at[:, None] - at[None]) / 3.5) ** 2) + 0.01
        return height / height.sum(axis=1, keepdims=True), at >= self.values // 2

    def draw(self, theta: Array, rng: np.random.Generator) -> Array:
        """Responses, 0 to 15, of parameters ``(N, 1)`` in 0..16."""
        chance = self.table[0].cumsum(axis=1)[theta[:, 0].astype(int).clip(0, self.values - 1)]
        return (rng.random((len(theta), 1)) > chance).sum(axis=1, keepdims=True).astype(float)

    def simulate(self, theta: Array, first: int) -> Simulations:
        """Simulations numbered from ``first``, of which those with a large response fail."""
        x = self.draw(theta, np.random.default_rng((20_170_601, first)))
        failed = self.table[1][x[:, 0].astype(int)]
        x[failed] = np.nan
        return Simulations(theta, x, np.where(failed, 5, 0), first + np.arange(len(theta)))

    def log_likelihood(self, theta: Array, x_o: Array) -> Array:
        """Log probability of an observation."""
        return np.log(self.table[0][theta[:, 0].astype(int).clip(0, self.values - 1), int(x_o[0])])

    def sample(self, x_o: Array, n: int, seed: int) -> Array:
        """Draws from the exact posterior."""
        rng = np.random.default_rng(seed)
        column = self.table[0][:, int(x_o[0])]
        return (rng.choice(self.values, n, p=column / column.sum()) + rng.random(n))[:, None]


@dataclass(frozen=True, eq=False)
class Undefined(Reference):
    """Two normal parameters and noisy readings of each and of their sum, of which the last is often undefined.

    Args:
        prior: ``normal(np.ones(2), np.eye(2))``.
        at_random: Whether it is undefined with a chance that follows from the first reading; else it is undefined
            whenever it would be negative, so that being undefined is itself informative.
        sd: Standard deviation of the noise.
    """

    at_random: bool
    sd: float = 0.5

    def draw(self, theta: Array, rng: np.random.Generator) -> Array:
        """Features of parameters ``(N, 2)``, shape ``(N, 3)``, about half of the last NaN."""
        from scipy.special import expit

        x = np.column_stack([theta, theta.sum(axis=1)]) + self.sd * rng.standard_normal((len(theta), 3))
        lost = rng.random(len(x)) < expit(2 * x[:, 0]) if self.at_random else x[:, 2] < 0
        x[lost, 2] = np.nan
        return x

    def log_likelihood(self, theta: Array, x_o: Array) -> Array:
        """Log probability of an observation, up to a constant."""
        from scipy.special import log_ndtr

        known = -0.5 * (((x_o[:2] - theta) / self.sd) ** 2).sum(axis=1)
        total = theta.sum(axis=1)
        if np.isfinite(x_o[2]):
            return known - 0.5 * ((x_o[2] - total) / self.sd) ** 2
        return known if self.at_random else known + log_ndtr(-total / self.sd)

    def sample(self, x_o: Array, n: int, seed: int) -> Array:
        """Draws from the exact posterior: cells of a fine grid by their probability."""
        rng = np.random.default_rng(seed)
        u, chance = self.grid(x_o, 400)
        return self.prior.from_cube(u[rng.choice(len(u), n, p=chance)] + (rng.random((n, 2)) - 0.5) / 400)

    def divergence(self, x_o: Array, log_prob: Callable[[Array], Array]) -> float:
        """KL(exact || other) [nat] of another density of the parameters, by cells of 0.07 out to 7 prior sds."""
        theta = 14.0 * (cells(200, 2) - 0.5)
        chance = normalised(self.prior.log_prob(theta) + self.log_likelihood(theta, x_o))
        height = log_prob(theta) + 2 * np.log(14.0 / 200)
        known = chance > 1e-12
        return float((chance[known] * (np.log(chance[known]) - height[known])).sum())


@dataclass(frozen=True, eq=False)
class Noisy(Reference):
    """Any deterministic response seen through Gaussian noise: exact on a grid, whatever the response.

    With the features of a deterministic neuron it is the problem E1 of the statistics notes, with its trace E2.

    Args:
        prior: Prior over few parameters.
        response: Noise-free observation of parameters ``(N, P)``, shape ``(N, F)``; NaN where it is undefined.
        sd: Standard deviation of the noise, shape ``(F,)``.
        points: Cells of the grid along every parameter.
    """

    response: Callable[[Array], Array]
    sd: Array
    points: int = 200

    def draw(self, theta: Array, rng: np.random.Generator) -> Array:
        """Observations of parameters ``(N, P)``."""
        return self.response(theta) + self.sd * rng.standard_normal((len(theta), len(self.sd)))

    def log_likelihood(self, theta: Array, x_o: Array) -> Array:
        """Log probability of an observation."""
        return self._height(self.response(theta), x_o)

    def _height(self, response: Array, x_o: Array) -> Array:
        z = (x_o - response) / self.sd
        value = -0.5 * (z**2).sum(axis=1) - np.log(self.sd * np.sqrt(2 * np.pi)).sum()
        return np.where(np.isfinite(value), value, -np.inf)

    @cached_property
    def responses(self) -> Array:
        """Noise-free observations at the centres of all cells."""
        return self.response(self.prior.from_cube(cells(self.points, self.prior.n_parameters)))

    def chances(self, x_o: Array) -> Array:
        """Exact posterior probability of every cell, shape ``(points ** P,)``."""
        return normalised(self._height(self.responses, x_o))

    def discretisation(self, x_o: Array) -> float:
        """Difference [nat] that halving the number of cells along every parameter makes: KL(fine || coarse).

        Both are densities on the cube; the coarse one is made of every second cell of the fine one.
        """
        size, half = self.prior.n_parameters, self.points // 2
        fine = self.chances(x_o).reshape((self.points,) * size)
        every = fine[(slice(0, 2 * half, 2),) * size]
        coarse = every / every.sum() / 2**size
        for axis in range(size):
            coarse = np.repeat(coarse, 2, axis=axis)
        inside = fine[(slice(0, 2 * half),) * size]
        known = inside > 1e-12
        return float((inside[known] * np.log(inside[known] / np.maximum(coarse[known], 1e-300))).sum())

    def zoomed(self, x_o: Array) -> "Noisy":
        """The same problem on the smallest box that holds the posterior, where the grid resolves it better.

        Raises:
            InputError: If the prior is not uniform: what is left of another one inside a box is none of its kind.
        """
        if {marginal.kind for marginal in self.prior.marginals} != {"uniform"}:
            raise InputError("a grid is refined under uniform priors only")
        there = cells(self.points, self.prior.n_parameters)[self.chances(x_o) > _NO_CHANCE]
        ends = np.array([there.min(axis=0), there.max(axis=0)]) + np.array([[-0.5], [0.5]]) / self.points
        sides = self.prior.from_cube(ends).T
        box = Prior(self.prior.names, self.prior.units, tuple(Marginal("uniform", *side) for side in sides.tolist()))
        return replace(self, prior=box)

    def sample(self, x_o: Array, n: int, seed: int) -> Array:
        """Draws from the exact posterior: a cell by its probability, then any point of it."""
        rng = np.random.default_rng(seed)
        rows = rng.choice(len(self.responses), n, p=self.chances(x_o))
        centre = cells(self.points, self.prior.n_parameters)[rows]
        return self.prior.from_cube(centre + (rng.random(centre.shape) - 0.5) / self.points)

    def divergence(self, x_o: Array, log_prob: Callable[[Array], Array]) -> tuple[float, float]:
        """KL(exact || other) [nat] of another density of the parameters, and its mass inside the prior."""
        chance = self.chances(x_o)
        theta = self.prior.from_cube(cells(self.points, self.prior.n_parameters))
        height = log_prob(theta) - self.prior.log_prob(theta) - np.log(len(theta))
        known = chance > 1e-300
        return float((chance[known] * (np.log(chance[known]) - height[known])).sum()), float(np.exp(height).sum())
