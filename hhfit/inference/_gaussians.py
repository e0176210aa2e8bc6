"""Mixtures of Gaussians as values: density, draws, projection, product and quotient."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InferenceError


@dataclass(frozen=True, eq=False)
class Gaussians:
    """A mixture of K Gaussians, or of K Student-t distributions of the same shape.

    Args:
        weight: Weights, shape ``(K,)``, adding up to 1.
        mean: Means, shape ``(K, P)``.
        precision: Precisions, shape ``(K, P, P)``.
        freedom: Degrees of freedom; infinite for Gaussians.
    """

    weight: Array
    mean: Array
    precision: Array
    freedom: float = np.inf

    def arrays(self, name: str) -> dict[str, Array]:
        """All that defines it, under a name."""
        parts = {"weight": self.weight, "mean": self.mean, "precision": self.precision}
        return {f"{name}.{part}": value for part, value in parts.items()} | {f"{name}.freedom": np.array(self.freedom)}

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, Array]) -> "Gaussians":
        """The mixture whose ``arrays`` were recorded."""
        weight, mean, precision = (np.asarray(arrays[f"{name}.{part}"]) for part in ("weight", "mean", "precision"))
        return cls(weight, mean, precision, float(arrays[f"{name}.freedom"]))

    def log_each(self, y: Array) -> Array:
        """Log density of every component, with its weight, at points ``(N, P)``, shape ``(N, K)``."""
        from scipy.special import gammaln

        size, free = y.shape[1], self.freedom
        away = y[:, None] - self.mean
        distance = np.einsum("nkp,kpq,nkq->nk", away, self.precision, away)
        height = 0.5 * np.linalg.slogdet(self.precision)[1] + np.log(self.weight)
        if np.isinf(free):
            return height - 0.5 * distance - 0.5 * size * np.log(2 * np.pi)
        height = height + gammaln((free + size) / 2) - gammaln(free / 2) - 0.5 * size * np.log(free * np.pi)
        return height - 0.5 * (free + size) * np.log1p(distance / free)

    def log_prob(self, y: Array) -> Array:
        """Log density at points ``(N, P)``, shape ``(N,)``."""
        return np.logaddexp.reduce(self.log_each(y), axis=1)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draws, shape ``(n, P)``."""
        part = rng.choice(len(self.weight), n, p=self.weight)
        roots = np.linalg.cholesky(np.linalg.inv(self.precision))
        noise = rng.standard_normal((n, self.mean.shape[1]))
        if np.isfinite(self.freedom):
            noise /= np.sqrt(rng.chisquare(self.freedom, n) / self.freedom)[:, None]
        return self.mean[part] + np.einsum("npq,nq->np", roots[part], noise)

    def moments(self) -> tuple[Array, Array]:
        """Mean ``(P,)`` and covariance ``(P, P)`` of the Gaussian mixture."""
        mean = self.weight @ self.mean
        away = self.mean - mean
        inner = np.einsum("k,kpq->pq", self.weight, np.linalg.inv(self.precision))
        return mean, inner + np.einsum("k,kp,kq->pq", self.weight, away, away)

    def projected(self) -> "Gaussians":
        """The single Gaussian of the same moments."""
        mean, covariance = self.moments()
        return Gaussians(np.ones(1), mean[None], np.linalg.inv(covariance)[None])

    def without(self, least: float) -> "Gaussians":
        """The components whose weight is at least ``least``; the largest always stays."""
        kept = self.weight >= min(least, self.weight.max())
        weight = self.weight[kept]
        return Gaussians(weight / weight.sum(), self.mean[kept], self.precision[kept], self.freedom)

    def tailed(self, freedom: float) -> "Gaussians":
        """Student-t distributions in place of the Gaussians."""
        return Gaussians(self.weight, self.mean, self.precision, freedom)


def corrected(q: Gaussians, proposal: Gaussians, prior_precision: Array, where: str) -> Gaussians:
    """A mixture times the prior's Gaussian factor, divided by a single Gaussian proposal.

    Args:
        q: Posterior under the proposal.
        proposal: One Gaussian.
        prior_precision: Precision of the prior's factor about zero; zero for a flat prior.
        where: Begins the message.

    Raises:
        InferenceError: If the quotient is no Gaussian.

    Source:
        Papamakarios & Murray 2016, equations 6 and 22 to 26.
    """
    precision = q.precision - proposal.precision[0] + prior_precision
    least = float(np.linalg.eigvalsh(precision).min())
    if not least > 0:
        raise InferenceError(
            f"{where}: the posterior's precision has eigenvalue {least:.3g} after division by the proposal, must be "
            "positive; use more simulations, fewer rounds, or snpe_b, snpe_c or tsnpe, which need no division"
        )
    pull = np.einsum("kpq,kq->kp", q.precision, q.mean) - proposal.precision[0] @ proposal.mean[0]
    mean = np.linalg.solve(precision, pull[..., None])[..., 0]
    height = 0.5 * np.linalg.slogdet(q.precision)[1] - 0.5 * np.linalg.slogdet(precision)[1] + np.log(q.weight)
    height -= 0.5 * np.einsum("kp,kpq,kq->k", q.mean, q.precision, q.mean)
    height += 0.5 * np.einsum("kp,kpq,kq->k", mean, precision, mean)
    weight = np.exp(height - height.max())
    return Gaussians(weight / weight.sum(), mean, precision)
