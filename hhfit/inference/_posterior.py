"""The posterior that flows on the prior's cube give."""

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import UnsupportedError
from hhfit.inference._density import Density
from hhfit.inference._truncation import LEAST_INSIDE, Region
from hhfit.posterior import Amortized
from hhfit.prior import Prior

_DRAWS = 4000
_NO_SEED = np.random.SeedSequence(0)


class FlowPosterior(Amortized):
    """A density on the prior's cube at one observation, confined to the region that truncation left.

    Where less than 5 % of the density's mass lies in the region, which means that the two contradict each other, the
    region is left out and the density holds on its whole box; ``confined`` tells. Elsewhere the posterior is that of
    the round before: truncation decides what is simulated next, it is no evidence that the rest is impossible.

    Args:
        prior: The prior.
        density: Density on the region's box, of mass 1.
        region: Where later rounds were confined to, and the observation.
        seed: Source of the draws that estimate masses inside and outside.
        before: Posterior of the round before.
    """

    def __init__(
        self,
        prior: Prior,
        density: Density,
        region: Region,
        seed: np.random.SeedSequence,
        before: "FlowPosterior | None" = None,
    ) -> None:
        self._prior, self.density, self.region, self._before = prior, density, region, before
        self.inside, self.beyond = 1.0, 0.0
        self._strays = np.empty((0, region.size))
        rng = np.random.default_rng(seed)
        if region.cuts:
            self.inside = float(region.contains(density.sample_one(_DRAWS, region.x_o, rng)).mean())
        self.confined = bool(region.cuts) and self.inside >= LEAST_INSIDE
        if before is not None:
            u = before.sample_cube(_DRAWS, int(rng.integers(2**31)))
            self._strays = u[~self._holds(u)]
            self.beyond = (len(self._strays) + 0.5) / (_DRAWS + 1)

    def _holds(self, u: Array) -> Array:
        """Whether each cube point ``(N, P)`` lies where the density of this round holds, shape ``(N,)``."""
        if self.confined:
            return self.region.contains(u)
        return ((u >= self.region.low) & (u <= self.region.high)).all(axis=1)

    @property
    def prior(self) -> Prior:
        """The prior it was inferred under."""
        return self._prior

    def at(self, x_o: Array) -> "FlowPosterior":
        """The posterior of another observation, shape ``(F,)``, without further training.

        Raises:
            UnsupportedError: If it was learned for one observation, in truncated rounds.
        """
        if self.region.cuts:
            raise UnsupportedError("a truncated posterior holds for its own observation only; use npe for many")
        return FlowPosterior(self.prior, self.density, Region(np.asarray(x_o, dtype=float), self.region.size), _NO_SEED)

    def sample_cube(self, n: int, seed: int) -> Array:
        """``n`` draws as points of the prior's cube, shape ``(n, P)``."""
        rng = np.random.default_rng(seed)
        kept = np.empty((0, self.region.size))
        while len(kept) < n:
            missing = n - len(kept)
            more = int(1.1 * missing / self.inside) + 10 if self.confined else missing
            u = self.density.sample_one(more, self.region.x_o, rng)
            kept = np.concatenate([kept, u[self.region.contains(u)] if self.confined else u])
        kept = kept[:n]
        if len(self._strays):
            far = np.flatnonzero(rng.random(n) < self.beyond)
            kept[far] = self._strays[rng.integers(len(self._strays), size=len(far))]
        return kept

    def sample(self, n: int, seed: int) -> Array:
        """Draw ``n`` parameter sets, shape ``(n, P)``."""
        return self.prior.from_cube(self.sample_cube(n, seed))

    def log_prob(self, theta: Array) -> Array:
        """Log density of parameters ``(N, P)``, shape ``(N,)``; minus infinity outside the prior."""
        theta = np.asarray(theta, dtype=float)
        value = self.prior.log_prob(theta)
        rows = np.flatnonzero(np.isfinite(value))
        value[rows] += self._height(self.prior.to_cube(theta[rows]))
        return value

    def _height(self, u: Array) -> Array:
        """Log density of cube points ``(N, P)``, shape ``(N,)``."""
        value, own = np.full(len(u), -np.inf), self._holds(u)
        value[own] = self.density.log_prob(u[own], self.region.x_o[None]) + np.log1p(-self.beyond)
        if self.confined:
            value[own] -= np.log(self.inside)
        if self._before is not None and not own.all():
            value[~own] = self._before._height(u[~own])
        return value

    @property
    def held_out(self) -> Array:
        """Index of the simulations of the last round that no gradient step has seen, shape ``(M,)``."""
        return self.density.held_out

    def spread(self, n: int, seed: int) -> Array:
        """Draw ``n`` parameter sets, spread like the prior in the region, shape ``(n, P)``."""
        return self.prior.from_cube(self.region.sample(n, np.random.SeedSequence((seed, 7)))[0])

    def summary(self, x: Array) -> Array:
        """What the first network of the mixture condenses observations ``(N, F)`` to, shape ``(N, K)``."""
        return self.density.summary(x)

    def sample_at(self, x: Array, n: int, seed: int) -> Array:
        """Draw ``n`` parameter sets for each observation ``(N, F)``, shape ``(N, n, P)``."""
        u = self.density.sample(np.repeat(x, n, axis=0), np.random.default_rng(seed))
        return self.prior.from_cube(u).reshape(len(x), n, -1)

    def log_prob_at(self, theta: Array, x: Array) -> Array:
        """Log density of ``(N, n, P)`` given ``(N, F)``, shape ``(N, n)``."""
        rows, n, size = theta.shape
        flat = theta.reshape(-1, size)
        inside = self.density.log_prob(self.prior.to_cube(flat), np.repeat(x, n, axis=0))
        return (self.prior.log_prob(flat) + inside).reshape(rows, n)
