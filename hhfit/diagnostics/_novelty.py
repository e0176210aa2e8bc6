"""Is the recording like anything that the model can do? A test against simulations."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hhfit.arrays import Array

NEIGHBOURS = 5
MIN_CLASS = 300
"""Fewest simulations of the recording's firing class; below it, features are left out."""
_LEAST = 1e-6
MAX_REFERENCE, MAX_HELD_OUT = 6000, 3000


def novelty(x: Array, x_o: Array, *, names: Sequence[str], seed: int) -> dict[str, Any]:
    """Out-of-distribution p of an observation, against simulations of its own firing class.

    Features are drawn in where they are far out, and whitened. The distance to the fifth-nearest reference
    simulation is compared with that of held-out simulations. A small p says that there are few simulations
    like the recording; it does not prove that the model is wrong, nor does a large p prove it right.

    Args:
        x: Features of simulations that did not fail, shape ``(N, F)``.
        x_o: Observed features, shape ``(F,)``.
        names: Names of the features.
        seed: Seed of the split into reference and held-out simulations.

    Returns:
        ``p`` (``None`` with a ``reason`` if it cannot be computed), the two features to ``blame``
        with their ``z`` given all others, numbers of ``reference`` and ``held_out`` simulations,
        and of features ``used`` and ``left_out``.
    """
    rows, columns = firing_class(x, x_o, names)
    left_out = int(np.isfinite(x_o).sum() - len(columns))
    if len(rows) < MIN_CLASS or not len(columns):
        reason = f"only {len(rows)} simulations fire in the same sweeps as the recording; at least {MIN_CLASS} needed"
        return {"p": None, "reason": reason, "blame": [], "used": len(columns), "left_out": left_out}
    order = np.random.default_rng(seed).permutation(rows)
    n_held = min(len(rows) // 3, MAX_HELD_OUT)
    held, reference = (x[np.ix_(part, columns)] for part in (order[:n_held], order[n_held:][:MAX_REFERENCE]))
    tested = np.vstack([held, x_o[None, columns]])
    y, y_reference = _drawn_in(tested, reference), _drawn_in(reference, reference)
    whiten, z = _whitener(y_reference, y[-1])
    distances = _distance(whiten(y), whiten(y_reference))
    p = (1 + (distances[:-1] >= distances[-1]).sum()) / (1 + n_held)
    worst = np.argsort(-np.abs(z), kind="stable")[:2]
    return {
        "p": float(p),
        "reason": "",
        "blame": [{"name": names[columns[k]], "z": float(z[k])} for k in worst],
        "reference": len(reference),
        "held_out": n_held,
        "used": len(columns),
        "left_out": left_out,
    }


def counts_spikes(name: str) -> bool:
    """Whether a feature of this name counts spikes.

    Example:
        >>> counts_spikes("2:spike_count"), counts_spikes("peak")
        (True, False)
    """
    word = name.lower().replace("_", "")
    return "spikecount" in word or "nspikes" in word


def firing_class(x: Array, x_o: Array, names: Sequence[str]) -> tuple[Array, Array]:
    """Rows that fire as the observation does, and the columns that it has, relaxed until enough rows remain.

    Two rows are of one class when the same features are undefined and the same spike counts are zero.
    """
    counted = np.array([counts_spikes(name) for name in names])
    mismatch = np.isnan(x) != np.isnan(x_o)
    mismatch[:, counted] |= (x[:, counted] == 0) != (x_o[counted] == 0)
    kept = np.ones(len(x_o), bool)
    for column in np.argsort(-mismatch.mean(axis=0), kind="stable"):
        if (~mismatch[:, kept].any(axis=1)).sum() >= MIN_CLASS:
            break
        kept[column] = False
    return np.flatnonzero(~mismatch[:, kept].any(axis=1)), np.flatnonzero(kept & np.isfinite(x_o))


def _whitener(reference: Array, y_o: Array) -> tuple[Any, Array]:
    """Whitening map fitted on the reference, and each feature's z given all others at ``y_o``."""
    centre, scale = reference.mean(axis=0), reference.std(axis=0)
    scale = np.where(scale > 0, scale, 1e-6 * np.maximum(np.abs(centre), 1.0))
    values, vectors = np.linalg.eigh(np.cov((reference - centre) / scale, rowvar=False).reshape(len(scale), -1))
    values = np.maximum(values, 1e-6 * values.max())

    def whiten(y: Array) -> Array:
        return (y - centre) / scale @ vectors / np.sqrt(values)

    precision = vectors / values @ vectors.T
    return whiten, precision @ ((y_o - centre) / scale) / np.sqrt(np.diag(precision))


def _drawn_in(x: Array, reference: Array) -> Array:
    """Features on a scale that is linear around the reference's median and logarithmic far from it.

    The unit is half the reference's interquartile range, so that one that spans decades counts like any other.
    """
    low, middle, high = np.quantile(reference, [0.25, 0.5, 0.75], axis=0)
    width = np.where(high > low, (high - low) / 2, reference.std(axis=0))
    return np.arcsinh((x - middle) / np.maximum(width, _LEAST * np.maximum(np.abs(middle), 1.0)))


def _distance(points: Array, reference: Array) -> Array:
    """Distance to the fifth-nearest reference point, shape ``(N,)``."""
    from scipy.spatial import cKDTree

    return cKDTree(reference).query(points, k=NEIGHBOURS)[0][:, -1]
