"""Parameter sets with the features and the outcome of their simulations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hhfit.arrays import Array, need_shape, read_only
from hhfit.traces import FAILED, Status, is_failed


@dataclass(frozen=True, eq=False)
class Simulations:
    """Parameter sets with what came of them; rows are never dropped.

    Args:
        theta: Parameters, shape ``(N, P)``.
        x: Features, shape ``(N, F)``; NaN where a feature is undefined or the row failed.
        status: ``Status`` of every row, shape ``(N,)``.
        index: Number of every simulation within its fit, shape ``(N,)``.
        fail_on: Outcomes that count as failures.
    """

    theta: Array
    x: Array
    status: Array
    index: Array
    fail_on: frozenset[Status] = FAILED

    def __post_init__(self) -> None:
        for name, dtype in (("theta", float), ("x", float), ("status", int), ("index", int)):
            object.__setattr__(self, name, read_only(getattr(self, name), dtype))
        need_shape("theta", self.theta, (None, None))
        need_shape("x", self.x, (len(self), None))
        need_shape("status", self.status, (len(self),))
        need_shape("index", self.index, (len(self),))

    def __len__(self) -> int:
        return len(self.theta)

    @property
    def usable(self) -> Array:
        """Rows that did not fail, undefined features or not, shape ``(N,)``."""
        return ~is_failed(self.status, self.fail_on)

    def rows(self, which: Array) -> "Simulations":
        """The rows selected by a mask or by numbers."""
        return replace(
            self, theta=self.theta[which], x=self.x[which], status=self.status[which], index=self.index[which]
        )

    def columns(self, which: Array) -> "Simulations":
        """The same rows with some of their features."""
        return replace(self, x=self.x[:, which])


def join(parts: Sequence[Simulations]) -> Simulations:
    """All rows of several sets, in order of their simulation index."""
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("theta", "x", "status", "index")]
    order = np.argsort(columns[3], kind="stable")
    return Simulations(*(column[order] for column in columns), fail_on=parts[0].fail_on)


Simulate = Callable[[Array, int], Simulations]
"""``simulate(theta, first)``: simulate parameter sets ``(N, P)``, numbered from ``first`` on."""
