"""What inference returns."""

from abc import ABC, abstractmethod

from hhfit.arrays import Array
from hhfit.prior import Prior


class Posterior(ABC):
    """A distribution over parameters, in physical units, inside the prior's support."""

    @property
    @abstractmethod
    def prior(self) -> Prior:
        """The prior it was inferred under."""

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names."""
        return self.prior.names

    @abstractmethod
    def sample(self, n: int, seed: int) -> Array:
        """Draw ``n`` parameter sets, shape ``(n, P)``."""

    @abstractmethod
    def log_prob(self, theta: Array) -> Array:
        """Log density of parameters ``(N, P)``, shape ``(N,)``; minus infinity outside the prior."""


class Amortized(Posterior):
    """A posterior whose network also answers for other observations near the one it was asked for.

    Only such a posterior can be checked for calibration on simulations whose parameters are known.
    """

    @property
    @abstractmethod
    def held_out(self) -> Array:
        """Index of the simulations of the last round that no gradient step has seen, shape ``(M,)``.

        Their parameters must come from the distribution that the network takes for its prior: the
        prior itself, or the truncated prior of the last round.
        """

    @abstractmethod
    def spread(self, n: int, seed: int) -> Array:
        """Draw ``n`` parameter sets from the distribution that the network takes for its prior, shape ``(n, P)``."""

    @abstractmethod
    def summary(self, x: Array) -> Array:
        """What the network condenses observations ``(N, F)`` to, shape ``(N, K)``."""

    @abstractmethod
    def sample_at(self, x: Array, n: int, seed: int) -> Array:
        """Draw ``n`` parameter sets for each observation ``(N, F)``, shape ``(N, n, P)``.

        Features are in their own units, NaN where undefined, as in ``Simulations.x``.
        """

    @abstractmethod
    def log_prob_at(self, theta: Array, x: Array) -> Array:
        """Log density, up to a constant per observation, of ``(N, n, P)`` given ``(N, F)``, shape ``(N, n)``."""
