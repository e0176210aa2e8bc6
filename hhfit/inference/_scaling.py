"""Features as networks want them: of order one, whatever their unit and tails, undefined ones marked."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.sampled import NOTHING, Sampled

_NUMBERS = ("centre", "width", "levels", "volts")
_LEVELS = np.linspace(0.0, 1.0, 65)


@dataclass(frozen=True, eq=False)
class Scaling:
    """Map of features to network inputs, fitted to the features of many simulations.

    Every feature enters three times: as ``asinh`` of its robust z-score, which keeps resolution at the centre and tames
    the tails; as the normal score of its rank, which spreads values however they are distributed; and as a mark that
    it is undefined. Samples of sweeps follow, all on one scale.

    Args:
        centre: Median of every feature, shape ``(F,)``.
        width: Half of its interquartile range, or its sd where that is zero, shape ``(F,)``.
        levels: Its quantiles at 65 equal steps, shape ``(F, 65)``.
        volts: Mean and sd of all samples, shape ``(2,)``.
        sampled: Which columns are samples.
    """

    centre: Array
    width: Array
    levels: Array
    volts: Array
    sampled: Sampled

    @classmethod
    def of(cls, x: Array, sampled: Sampled = NOTHING) -> "Scaling":
        """The map fitted to features ``(N, F)``, undefined values left out."""
        samples = x[:, sampled.columns.ravel()]
        volts = np.array([np.nanmean(samples), np.nanstd(samples) or 1.0]) if samples.size else np.array([0.0, 1.0])
        x = x[:, sampled.others(x.shape[1])]
        if not x.shape[1]:
            return cls(np.zeros(0), np.zeros(0), np.zeros((0, len(_LEVELS))), volts, sampled)
        columns = [column[np.isfinite(column)] for column in x.T]
        columns = [column if len(column) else np.zeros(1) for column in columns]
        quartiles = np.array([np.quantile(column, [0.25, 0.5, 0.75]) for column in columns])
        half = (quartiles[:, 2] - quartiles[:, 0]) / 2
        spread = np.array([column.std() for column in columns])
        width = np.where(half > 1e-6 * spread, half, np.where(spread > 0, spread, 1.0))
        return cls(
            quartiles[:, 1], width, np.array([np.quantile(column, _LEVELS) for column in columns]), volts, sampled
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> "Scaling":
        """The map whose ``arrays`` were recorded."""
        numbers = (np.asarray(arrays[f"scaling.{name}"]) for name in _NUMBERS)
        columns, inputs, (units, stride) = (arrays[f"sampled.{name}"] for name in ("columns", "inputs", "size"))
        return cls(*numbers, Sampled(columns, inputs, int(units), int(stride)))

    def arrays(self) -> dict[str, Array]:
        """All that defines it, by name."""
        sampled = {"columns": self.sampled.columns, "inputs": self.sampled.inputs}
        sampled["size"] = np.array([self.sampled.units, self.sampled.stride])
        numbers = {f"scaling.{name}": getattr(self, name) for name in _NUMBERS}
        return numbers | {f"sampled.{name}": array for name, array in sampled.items()}

    @property
    def inputs(self) -> int:
        """Network inputs per observation before its samples: 3 per feature, the first two thirds may be NaN."""
        return 3 * len(self.centre)

    def __call__(self, x: Array) -> Array:
        """Network inputs of features ``(N, F)``, shape ``(N, inputs + S L)``; NaN where undefined."""
        from scipy.special import ndtri

        x = np.where(np.isfinite(x), x, np.nan)
        samples = (x[:, self.sampled.columns.ravel()] - self.volts[0]) / self.volts[1]
        x = x[:, self.sampled.others(x.shape[1])]
        if not x.shape[1]:
            return samples.astype(np.float32)
        score = np.arcsinh((x - self.centre) / self.width)
        rank = np.stack([_rank(column, levels) for column, levels in zip(x.T, self.levels, strict=True)], axis=1)
        normal = ndtri(0.005 + 0.99 * rank)
        return np.concatenate([score, normal, np.isnan(x), samples], axis=1).astype(np.float32)


def _rank(column: Array, levels: Array) -> Array:
    """Share of the distribution below each value; the middle of the share where many values are equal."""
    low = np.interp(column, levels, _LEVELS)
    high = 1 - np.interp(-column, -levels[::-1], _LEVELS)
    return (low + high) / 2
