"""What is in a recording, sweep by sweep, and what to be wary of."""

from typing import Any

import numpy as np

from hhfit import passive
from hhfit.extractors.spikes import spike_counts
from hhfit.recording import Recording

SHALLOW_REST = -45.0
"""A resting potential above this [mV] is a warning."""

UNSTABLE_REST = 5.0
"""Resting potentials that differ by more than this between sweeps [mV] are a warning."""

COARSE_SAMPLING = 0.1
"""A sampling step above this [ms] is too coarse for the shape of a spike."""


def describe(recording: Recording) -> dict[str, Any]:
    """What is in a recording, fit for JSON.

    Args:
        recording: Recording as it was read.

    Returns:
        ``name``, ``clamp``, ``dt_ms``, ``duration_ms``, ``sweeps`` (a row each), ``passive`` properties,
        ``warnings``.
    """
    protocol = recording.protocol
    summary: dict[str, Any] = {
        "name": recording.name,
        "clamp": protocol.clamp,
        "dt_ms": protocol.dt,
        "duration_ms": protocol.duration,
        "sweeps": _sweeps(recording),
    }
    if protocol.clamp == "current":
        found = passive.properties(recording)
        summary["passive"] = {
            "rest_mv": found.rest,
            "resistance_mohm": _or_none(found.resistance),
            "tau_ms": _or_none(found.tau),
            "area_um2": _or_none(found.area(1.0)),
            "sweeps": list(found.sweeps),
            "reason": found.reason,
        }
    summary["warnings"] = _warnings(recording)
    return summary


def _sweeps(recording: Recording) -> list[dict[str, Any]]:
    protocol = recording.protocol
    current = protocol.clamp == "current"
    counts = spike_counts(recording.response[None], protocol, {})[0] if current else [None] * protocol.n_sweeps
    rows = []
    for row, (on, off) in enumerate(protocol.windows):
        rows.append(
            {
                "sweep": int(recording.sweeps[row]),
                "on_ms": on,
                "off_ms": off,
                "step": float(protocol.amplitude[row]),
                "holding": float(protocol.command[row, 0]),
                "rest": float(recording.rest[row]),
                "spikes": None if counts[row] is None else int(counts[row]),
            }
        )
    return rows


def _warnings(recording: Recording) -> list[str]:
    protocol, rest = recording.protocol, recording.rest
    if protocol.clamp != "current":
        return ["this is a voltage-clamp recording; hhfit fits current-clamp recordings only"]
    warnings = []
    if np.median(rest) > SHALLOW_REST:
        warnings.append(f"the cell rests at {np.median(rest):.0f} mV: an offset, or an unhealthy cell")
    if np.ptp(rest) > UNSTABLE_REST:
        warnings.append(f"the resting potential differs by {np.ptp(rest):.0f} mV between sweeps")
    if protocol.dt > COARSE_SAMPLING:
        warnings.append(f"a sampling step of {protocol.dt:g} ms is too coarse for the shape of a spike")
    return warnings


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
