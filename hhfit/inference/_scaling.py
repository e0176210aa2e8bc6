"""Features as networks want them: of order one, whatever their unit and tails, undefined ones marked."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array

_LEVELS = np.linspace(0.0, 1.0, 65)


@dataclass(frozen=True, eq=False)
class Scaling:
    """Map of features to network inputs, fitted to the features of many simulations.

    Every feature enters three times: as ``asinh`` of its robust z-score, which keeps resolution at the centre and tames
    the tails; as the normal score of its rank, which spreads values however they are distributed; and as a mark that
    it is undefined.

    Args:
        centre: Median of every feature, shape ``(F,)``.
        width: Half of its interquartile range, or its sd where that is zero, shape ``(F,)``.
        levels: Its quantiles at 65 equal steps, shape ``(F, 65)``.
    """

    centre: Array
    width: Array
    levels: Array

    @classmethod
    def of(cls, x: Array) -> "Scaling":
        """The map fitted to features ``(N, F)``, undefined values left out."""
        columns = [column[np.isfinite(column)] for column in x.T]
        columns = [column if len(column) else np.zeros(1) for column in columns]
        quartiles = np.array([np.quantile(column, [0.25, 0.5, 0.75]) for column in columns])
        half = (quartiles[:, 2] - quartiles[:, 0]) / 2
        spread = np.array([column.std() for column in columns])
        width = np.where(half > 1e-6 * spread, half, np.where(spread > 0, spread, 1.0))
        return cls(quartiles[:, 1], width, np.array([np.quantile(column, _LEVELS) for column in columns]))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> "Scaling":
        """The map whose ``arrays`` were recorded."""
        return cls(*(np.asarray(arrays[f"scaling.{name}"]) for name in ("centre", "width", "levels")))

    def arrays(self) -> dict[str, Array]:
        """All that defines it, by name."""
        return {f"scaling.{name}": getattr(self, name) for name in ("centre", "width", "levels")}

    @property
    def inputs(self) -> int:
        """Network inputs per observation: 3 F, of which the first 2 F may be NaN."""
        return 3 * len(self.centre)

    def __call__(self, x: Array) -> Array:
        """Network inputs of features ``(N, F)``, shape ``(N, 3 F)``; NaN in the first 2 F where undefined."""
        from scipy.special import ndtri

        x = np.where(np.isfinite(x), x, np.nan)
        score = np.arcsinh((x - self.centre) / self.width)
        rank = np.stack([_rank(column, levels) for column, levels in zip(x.T, self.levels, strict=True)], axis=1)
        normal = ndtri(0.005 + 0.99 * rank)
        return np.concatenate([score, normal, np.isnan(x)], axis=1).astype(np.float32)


def _rank(column: Array, levels: Array) -> Array:
    """Share of the distribution below each value; the middle of the share where many values are equal."""
    low = np.interp(column, levels, _LEVELS)
    high = 1 - np.interp(-column, -levels[::-1], _LEVELS)
    return (low + high) / 2
