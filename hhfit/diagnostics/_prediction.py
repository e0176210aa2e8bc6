"""Does the model, with the parameters found, do what the cell did?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.model import Model
from hhfit.outcomes import judge
from hhfit.protocol import Protocol
from hhfit.recording import Recording
from hhfit.result import Predictive
from hhfit.simulations import Simulations
from hhfit.traces import Status

TOLERANCE = (2.0, 0.2)
"""A predicted spike count agrees when it is off by at most this many spikes, or this fraction."""


def outcomes(simulations: Simulations) -> dict[str, float]:
    """Fraction of simulations per outcome, outcomes that never happened left out."""
    counts = {status: int((simulations.status == status).sum()) for status in Status}
    return {status.name: count / max(len(simulations), 1) for status, count in counts.items() if count}


def block(predictive: Predictive, model: Model, recording: Recording) -> dict[str, Any]:
    """Whether the cell went into depolarisation block, and the ``share`` of predictions that do."""
    usable = predictive.simulations.rows(predictive.simulations.usable)
    found = judge(recording.response[None], recording.protocol, model.limits)[0]
    share = float((usable.status == Status.BLOCK).mean()) if len(usable) else 0.0
    return {"recorded": bool(found == Status.BLOCK), "share": share}


def spike_agreement(predictive: Predictive, protocol: Protocol, sweeps: Array) -> dict[str, Any]:
    """Predicted against recorded spike count, sweep by sweep.

    Args:
        predictive: Posterior-predictive simulations.
        protocol: The command of every sweep.
        sweeps: Number of each sweep in the file, shape ``(S,)``.

    Returns:
        ``sweeps``: a row per sweep with ``recorded`` count, predicted ``median`` and 90 % range
        ``low``-``high``, and whether it ``agrees``; ``agreeing`` of ``total`` sweeps.
    """
    spikes = predictive.spikes[predictive.simulations.usable]
    rows = []
    for s, recorded in enumerate(predictive.spikes_recorded.tolist()):
        low, median, high = _interval(spikes[:, s])
        off = abs(median - recorded)
        rows.append(
            {
                "sweep": int(sweeps[s]),
                "current": float(protocol.amplitude[s]),
                "recorded": float(recorded),
                "median": median,
                "low": low,
                "high": high,
                "agrees": bool(off <= max(TOLERANCE[0], TOLERANCE[1] * recorded)),
            }
        )
    return {"sweeps": rows, "agreeing": sum(row["agrees"] for row in rows), "total": len(rows)}


def feature_errors(
    predictive: Predictive, prior: Simulations, x_o: Array, *, names: Sequence[str], scales: Sequence[str]
) -> list[dict[str, Any]]:
    """Posterior predictive of every feature against the observed value.

    Args:
        predictive: Posterior-predictive simulations.
        prior: Simulations from the prior: their spread is the unit of the error.
        x_o: Observed features, shape ``(F,)``.
        names: Their names.
        scales: Their scales, on which errors are taken; see ``to_scale``.

    Returns:
        A row per feature: ``observed``, predicted ``median`` and 90 % range ``low``-``high`` in the
        feature's unit; ``error`` of the median in prior-predictive sd; ``distance`` of single
        draws, root mean square, in the same unit; ``z`` in posterior-predictive sd; two-sided
        posterior-predictive ``p``; ``defined``, the fraction of draws where it is defined. A
        feature that is undefined in the recording or in all draws has NaN instead.
    """
    x, x_prior = predictive.simulations.x[predictive.simulations.usable], prior.x[prior.usable]
    rows = []
    for k, (name, scale) in enumerate(zip(names, scales, strict=True)):
        drawn = x[:, k][np.isfinite(x[:, k])]
        low, median, high = _interval(drawn)
        pilot = x_prior[:, k]
        y, y_o = to_scale(drawn, scale, pilot), float(to_scale(x_o[k : k + 1], scale, pilot)[0])
        spread = _spread(to_scale(pilot, scale, pilot))
        away = y - y_o
        rows.append(
            {
                "name": name,
                "observed": float(x_o[k]),
                "median": median,
                "low": low,
                "high": high,
                "defined": len(drawn) / max(len(x), 1),
                "error": float(np.median(away)) / spread if away.size else np.nan,
                "distance": float(np.sqrt((away**2).mean())) / spread if away.size else np.nan,
                "z": -float(away.mean()) / _spread(y) if away.size > 1 else np.nan,
                "p": _two_sided(away),
            }
        )
    return rows


def to_scale(x: Array, scale: str, pilot: Array) -> Array:
    """Feature values on the scale that errors are measured on.

    Args:
        x: Values, shape ``(N,)``.
        scale: ``"none"``, ``"log"``, or ``"rank"``: the normal score of the share of the pilot's values below.
        pilot: Values in simulations of the prior; NaN where undefined.

    Example:
        >>> to_scale(np.array([2.0, 1e9, np.nan]), "rank", np.array([1.0, 2.0, 3e9, np.nan])).round(2)
        array([0.  , 0.43,  nan])
    """
    from scipy.special import ndtri

    x = np.asarray(x, float)
    known = np.sort(pilot[np.isfinite(pilot)])
    if scale != "rank" or not len(known):
        return np.arcsinh(x) if scale == "log" else x
    middle = (np.searchsorted(known, x, "left") + np.searchsorted(known, x, "right")) / 2
    return np.where(np.isnan(x), np.nan, ndtri(middle.clip(0.5, len(known) - 0.5) / len(known)))


def _interval(values: Array) -> tuple[float, float, float]:
    values = values[np.isfinite(values)]
    if not values.size:
        return np.nan, np.nan, np.nan
    low, median, high = np.quantile(values, [0.05, 0.5, 0.95]).tolist()
    return low, median, high


def _spread(values: Array) -> float:
    values = values[np.isfinite(values)]
    spread = float(values.std()) if values.size > 1 else 0.0
    return spread if spread > 0 else np.nan


def _two_sided(away: Array) -> float:
    away = away[np.isfinite(away)]
    if not away.size:
        return np.nan
    tail = min(int((away <= 0).sum()), int((away >= 0).sum()))
    return float(min(1.0, 2.0 * (tail + 1) / (away.size + 1)))
