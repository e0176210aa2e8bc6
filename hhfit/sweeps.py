"""Which sweeps to fit, and which to keep back for validation."""

from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.extractors.spikes import spike_counts
from hhfit.recording import Recording

MOST_FITTED = 6
"""Sweeps fitted at most."""

LEAST_KEPT = 8
"""A recording of fewer sweeps keeps none back."""


@dataclass(frozen=True)
class Choice:
    """Sweeps by their number in the file.

    Args:
        fitted: To be fitted.
        validation: Kept back, to be compared with posterior prediction.
    """

    fitted: tuple[int, ...]
    validation: tuple[int, ...]


def choose(recording: Recording, most: int = MOST_FITTED) -> Choice:
    """Choose sweeps spread over the F-I curve, silent ones among them, and keep some between them back.

    A third of the places goes to silent sweeps, hyperpolarising ones first, the others are spread
    evenly over the spike counts. Validation takes sweeps that lie between fitted ones.

    Args:
        recording: Current-clamp recording.
        most: Sweeps fitted at most.
    """
    amplitude = recording.protocol.amplitude
    counts = spike_counts(recording.response[None], recording.protocol, {})[0]
    if len(amplitude) <= most:
        return Choice(tuple(recording.sweeps.tolist()), ())
    silent = np.flatnonzero(counts == 0)
    spiking = np.flatnonzero(counts > 0)
    n_silent = min(len(silent), max(most // 3, most - len(spiking)))
    fitted = _spread(silent, amplitude, n_silent) + _spread(spiking, counts + 1e-9 * amplitude, most - n_silent)
    left = [row for row in range(len(amplitude)) if row not in fitted]
    low, high = amplitude[fitted].min(), amplitude[fitted].max()
    between = np.array([row for row in left if low < amplitude[row] < high], int)
    kept = _spread(between, amplitude, min(len(between), max(most // 2, 1))) if len(amplitude) >= LEAST_KEPT else []
    return Choice(_numbers(recording, fitted), _numbers(recording, kept))


def _spread(rows: Array, values: Array, count: int) -> list[int]:
    """Rows whose values lie evenly over the order of their values, both ends among them."""
    if count <= 0 or not len(rows):
        return []
    order = rows[np.argsort(values[rows], kind="stable")]
    places = np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))
    return [int(row) for row in order[places]]


def _numbers(recording: Recording, rows: list[int]) -> tuple[int, ...]:
    return tuple(int(recording.sweeps[row]) for row in sorted(rows))
