"""Features as networks want them: of order one, whatever their unit and tails, undefined ones marked."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.sampled import NOTHING, Sampled

_NUMBERS = ("centre", "width", "levels")
_LEVELS = np.linspace(0.0, 1.0, 65)
_STILL = 5
"""Fewest samples before the input first changes that a sweep's rest is taken from."""
_SMALL = 5.0
"""Size of a subthreshold response [mV], up to which distances from rest are told apart best."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Map of features to network inputs, fitted to the features of many simulations.

    Every feature enters three times: as ``asinh`` of its robust z-score, which keeps resolution at the centre and tames
    the tails; as the normal score of its rank, which spreads values however they are distributed; and as a mark that
    it is undefined. The rest of every sampled sweep is such a feature, and its samples follow as ``asinh`` of how far
    they are from it: resting potentials differ by tens of millivolts and spikes rise by a hundred, beside which the
    few millivolts of a subthreshold response, which tell of the leak, would be lost.

    Args:
        centre: Median of every feature, shape ``(F,)``.
        width: Half of its interquartile range, or its sd where that is zero, shape ``(F,)``.
        levels: Its quantiles at 65 equal steps, shape ``(F, 65)``.
        sampled: Which columns are samples.
    """

    centre: Array
    width: Array
    levels: Array
    sampled: Sampled

    @classmethod
    def of(cls, x: Array, sampled: Sampled = NOTHING) -> "Scaling":
        """The map fitted to features ``(N, F)``, undefined values left out."""
        x = _with_rests(x, sampled)
        if not x.shape[1]:
            return cls(np.zeros(0), np.zeros(0), np.zeros((0, len(_LEVELS))), sampled)
        columns = [column[np.isfinite(column)] for column in x.T]
        columns = [column if len(column) else np.zeros(1) for column in columns]
        quartiles = np.array([np.quantile(column, [0.25, 0.5, 0.75]) for column in columns])
        half = (quartiles[:, 2] - quartiles[:, 0]) / 2
        spread = np.array([column.std() for column in columns])
        width = np.where(half > 1e-6 * spread, half, np.where(spread > 0, spread, 1.0))
        levels = np.array([np.quantile(column, _LEVELS) for column in columns])
        return cls(quartiles[:, 1], width, levels, sampled)

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
        """Network inputs per observation before its samples: 3 per feature or rest, the first two thirds may be NaN."""
        return 3 * len(self.centre)

    def __call__(self, x: Array) -> Array:
        """Network inputs of features ``(N, F)``, shape ``(N, inputs + S L)``; NaN where undefined."""
        from scipy.special import ndtri

        columns = self.sampled.columns
        x = np.where(np.isfinite(x), x, np.nan)
        samples, x = x[:, columns], _with_rests(x, self.sampled)
        rests = x[:, x.shape[1] - len(columns) :, None]
        samples = np.arcsinh((samples - rests) / _SMALL).reshape(len(x), columns.size)
        if not x.shape[1]:
            return samples.astype(np.float32)
        score = np.arcsinh((x - self.centre) / self.width)
        rank = np.stack([_rank(column, levels) for column, levels in zip(x.T, self.levels, strict=True)], axis=1)
        normal = ndtri(0.005 + 0.99 * rank)
        return np.concatenate([score, normal, np.isnan(x), samples], axis=1).astype(np.float32)


def _with_rests(x: Array, sampled: Sampled) -> Array:
    """Features and then the rest of every sweep, shape ``(N, F + S)``.

    The rest of a sweep is the median of its samples before the known input first changes; of all of them where the
    input changes from the start on.
    """
    still = np.logical_and.accumulate(sampled.inputs == sampled.inputs[:, :1], axis=1)
    still[still.sum(axis=1) < _STILL] = True
    rests = [np.median(x[:, own[row]], axis=1) for own, row in zip(sampled.columns, still, strict=True)]
    return np.column_stack([x[:, sampled.others(x.shape[1])], *rests])


def _rank(column: Array, levels: Array) -> Array:
    """Share of the distribution below each value; the middle of the share where many values are equal."""
    low = np.interp(column, levels, _LEVELS)
    high = 1 - np.interp(-column, -levels[::-1], _LEVELS)
    return (low + high) / 2
