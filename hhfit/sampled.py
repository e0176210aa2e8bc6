"""Which columns of the features are samples of a response, and what was commanded at each."""

from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array, need_shape, read_only


@dataclass(frozen=True, eq=False)
class Sampled:
    """Columns of x that are S sequences of L samples, with the known input at each sample.

    Inference learns a summary of them. It treats the sequences as a set: each is summarised by the same network, which
    sees its known inputs too, and the summaries are averaged.

    Args:
        columns: Column of x that holds each sample, shape ``(S, L)``.
        inputs: Known input at each sample, of order one, shape ``(S, L)``.
        units: Units of the recurrent network.
        stride: Samples that it takes in at a time.

    Example:
        >>> Sampled(np.arange(6).reshape(2, 3), np.zeros((2, 3)), units=8, stride=1).others(8)
        array([6, 7])
    """

    columns: Array
    inputs: Array
    units: int
    stride: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", read_only(self.columns, int))
        object.__setattr__(self, "inputs", read_only(self.inputs, float))
        need_shape("columns", self.columns, (None, None))
        need_shape("inputs", self.inputs, self.columns.shape)

    def others(self, n_columns: int) -> Array:
        """Columns of x that are no samples, of ``n_columns`` in all."""
        return np.setdiff1d(np.arange(n_columns), self.columns)


NOTHING = Sampled(np.zeros((0, 0), int), np.zeros((0, 0)), units=0, stride=1)
"""No column is a sample."""
