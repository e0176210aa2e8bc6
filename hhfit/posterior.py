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
