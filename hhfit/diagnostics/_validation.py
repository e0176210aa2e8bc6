"""Does the posterior predict sweeps that were not fitted?"""

from dataclasses import replace
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.diagnostics._prediction import feature_errors, spike_agreement
from hhfit.result import FitResult, Validation
from hhfit.simulations import Simulations

SMOOTHING = 10.0
"""Traces are compared after a running mean of this width [ms]: level and rate, not the time of every spike."""


def validation(result: FitResult, first: Simulations) -> dict[str, Any] | None:
    """Prediction of the sweeps that were kept back against what was recorded; nothing without such sweeps.

    Args:
        result: The fit.
        first: Simulations from the prior: the spread of a feature in the fitted sweep whose step is nearest
            is the unit of its error.

    Returns:
        ``spikes`` as of ``spike_agreement``, ``features`` as of ``feature_errors``, and ``traces``: a row per sweep
        with ``error``, the root mean square difference [mV] of the smoothed recording from the median prediction,
        and its posterior-predictive ``p``.
    """
    kept = result.validation
    if kept is None:
        return None
    protocol = kept.recording.protocol
    return {
        "spikes": spike_agreement(kept.predictive, protocol, kept.recording.sweeps),
        "features": _features(result, kept, first),
        "traces": _traces(kept),
    }


def _features(result: FitResult, kept: Validation, first: Simulations) -> list[dict[str, Any]]:
    fitted, protocol = result.recording.protocol, kept.recording.protocol
    names, scales = result.features.names(protocol), result.features.scales(protocol)
    away = np.abs(protocol.amplitude[:, None] - fitted.amplitude)
    width = len(names) // protocol.n_sweeps
    like = (np.argmin(away, axis=1)[:, None] * width + np.arange(width)).ravel()
    spread = Simulations(first.theta, first.x[:, like], first.status, first.index)
    own = result.features.sampled(protocol).others(len(names))
    drawn = replace(kept.predictive, simulations=kept.predictive.simulations.columns(own))
    names, scales = [names[k] for k in own], [scales[k] for k in own]
    return feature_errors(drawn, spread.columns(own), kept.x_o[own], names=names, scales=scales)


def _traces(kept: Validation) -> list[dict[str, Any]]:
    """How far the recorded trace is from the median prediction, against how far draws are."""
    protocol = kept.recording.protocol
    width = max(1, round(SMOOTHING / protocol.dt))
    drawn = _smooth(kept.predictive.response[kept.predictive.simulations.usable], width)
    recorded = _smooth(kept.recording.response, width)
    rows = []
    for s, number in enumerate(kept.recording.sweeps.tolist()):
        row: dict[str, Any] = {"sweep": int(number), "error": np.nan, "p": np.nan}
        if len(drawn):
            middle = np.median(drawn[:, s], axis=0)
            own = np.sqrt(((drawn[:, s] - middle) ** 2).mean(axis=1))
            error = float(np.sqrt(((recorded[s] - middle) ** 2).mean()))
            row |= {"error": error, "p": float((1 + (own >= error).sum()) / (1 + len(own)))}
        rows.append(row)
    return rows


def _smooth(response: Array, width: int) -> Array:
    """Mean over stretches of ``width`` points, shape ``(..., T // width)``."""
    n = response.shape[-1] // width
    return response[..., : n * width].reshape(*response.shape[:-1], n, width).mean(axis=-1)
