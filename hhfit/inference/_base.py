"""The seam of all inference methods."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.journal import Journal
from hhfit.posterior import Posterior
from hhfit.prior import Prior
from hhfit.simulations import Simulate


@dataclass(frozen=True)
class Budget:
    """How much a method may simulate.

    Args:
        simulations: Simulations in all.
        rounds: Rounds that they are split into.
        last: Simulations of the last round; 0 for as many as the others.

    Raises:
        InputError: If there is less than one simulation per round.
    """

    simulations: int
    rounds: int = 1
    last: int = 0

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise InputError(f"rounds is {self.rounds}, must be at least 1")
        if self.simulations < 50 * self.rounds:
            raise InputError(
                f"simulations is {self.simulations}, must be at least 50 for each of {self.rounds} round(s)"
            )
        if self.last and not 50 <= self.last <= self.simulations - 50 * (self.rounds - 1):
            raise InputError(
                f"last is {self.last}, must be at least 50 and leave 50 of {self.simulations} simulations for each of "
                f"the other {self.rounds - 1} round(s)"
            )

    @property
    def per_round(self) -> list[int]:
        """Simulations of each round; they add up to the budget."""
        if self.last and self.rounds > 1:
            return [*Budget(self.simulations - self.last, self.rounds - 1).per_round, self.last]
        base, extra = divmod(self.simulations, self.rounds)
        return [base + (r < extra) for r in range(self.rounds)]


@dataclass(frozen=True, eq=False)
class Inference(ABC):
    """An algorithm that infers a posterior by simulation.

    Args:
        budget: Rounds and simulations.
    """

    embeds: ClassVar[bool] = False
    """Whether it takes ``sampled``: columns of the features that a recurrent network is to sum up."""

    budget: Budget

    @abstractmethod
    def fit(self, prior: Prior, simulate: Simulate, x_o: Array, seed: int, journal: Journal) -> Posterior:
        """Infer the posterior of one observation.

        Args:
            prior: Prior over the parameters.
            simulate: Simulates parameter sets ``(N, P)``, numbered from its second argument on.
            x_o: Observed features, shape ``(F,)``; NaN where a feature is undefined.
            seed: Same seed, same posterior.
            journal: Hears of progress and keeps finished rounds.

        Returns:
            The posterior, in the prior's units.
        """
