"""All checks of one fit."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.diagnostics._calibration import calibration, unseen
from hhfit.diagnostics._identifiability import (
    boundary_mass,
    conditional_correlations,
    contraction,
    correlations,
    effective_sample_size,
    leaked_mass,
)
from hhfit.diagnostics._novelty import novelty
from hhfit.diagnostics._prediction import block, feature_errors, outcomes, spike_agreement
from hhfit.diagnostics._validation import validation
from hhfit.diagnostics._verdict import verdict
from hhfit.posterior import Amortized
from hhfit.result import FitResult
from hhfit.simulations import Simulations


def check(result: FitResult, seed: int) -> dict[str, Any]:
    """Every number that says whether a fit can be trusted, and the verdict; fit for JSON.

    Args:
        result: The fit; its own ``checks`` are not looked at.
        seed: Seed of splits and draws.

    Returns:
        ``parameters``, ``correlations``, ``leaked_mass``, ``boundary_mass``,
        ``effective_sample_size``, ``outcomes``, ``predictive_failed``, ``block``, ``spikes``,
        ``features``, ``validation`` (the same of sweeps that were not fitted, or ``None``),
        ``standardized_distance`` (root sum of squares over features, in prior sd, averaged over
        draws), ``out_of_distribution``, ``calibration``, ``doubts`` (what the method itself said
        of its last round), ``verdict``. A number that is not defined is ``None``.
    """
    prior, columns, x_o = result.posterior.prior, result.checked, result.x_o[result.checked]
    names = [result.feature_names[k] for k in columns]
    scales = [result.features.scales(result.recording.protocol)[k] for k in columns]
    drawn = replace(result.predictive, simulations=result.predictive.simulations.columns(columns))
    first = prior_simulations(result).columns(columns)
    checks: dict[str, Any] = {
        "parameters": _parameters(result),
        "correlations": _correlations(result),
        "leaked_mass": max([leaked_mass(result.samples, prior), _logged(result, "leaked_mass")]),
        "boundary_mass": boundary_mass(result.samples, prior),
        "effective_sample_size": effective_sample_size(result.samples),
        "outcomes": outcomes(result.simulations),
        "outcomes_by_round": [outcomes(first)] + [outcomes(rows) for _, rows in later_rounds(result)],
        "predictive_failed": float(1.0 - result.predictive.simulations.usable.mean()),
        "block": block(result.predictive, result.model, result.recording),
        "spikes": spike_agreement(result.predictive, result.recording.protocol, result.recording.sweeps),
        "features": feature_errors(drawn, first, x_o, names=names, scales=scales),
        "out_of_distribution": novelty(first.x[first.usable], x_o, names=names, seed=seed),
        "calibration": _calibration(result, seed),
        "doubts": list(result.rounds[-1].get("doubts", [])) if result.rounds else [],
        "validation": validation(result, prior_simulations(result)),
    }
    checks["out_of_distribution"]["rounds"] = [
        {"round": number} | novelty(rows.x[rows.usable], x_o, names=names, seed=seed)
        for number, rows in ((k, each.columns(columns)) for k, each in later_rounds(result))
    ]
    checks["out_of_distribution"]["embedded"] = _embedded(result, seed)
    checks["standardized_distance"] = _distance(checks["features"])
    return with_verdict(to_plain(checks))


def with_verdict(checks: Mapping[str, Any]) -> dict[str, Any]:
    """The checks with the verdict that follows from them."""
    word, reasons = verdict(checks)
    return {**checks, "verdict": {"word": word, "reasons": [reason._asdict() for reason in reasons]}}


def prior_simulations(result: FitResult) -> Simulations:
    """Simulations of the first round, whose parameters come from the prior."""
    if len(result.rounds) > 1 and "simulations" in result.rounds[0]:
        size = int(result.rounds[0]["simulations"])
        return result.simulations.rows(np.arange(len(result.simulations)) < size)
    return result.simulations


def later_rounds(result: FitResult) -> list[tuple[int, Simulations]]:
    """Simulations of the second and every further round, with the round's number."""
    sizes = [int(log["simulations"]) for log in result.rounds if "simulations" in log]
    ends = np.cumsum(sizes)
    if len(sizes) < len(result.rounds) or len(sizes) < 2 or ends[-1] != len(result.simulations):
        return []
    rows = np.arange(len(result.simulations))
    return [(k + 1, result.simulations.rows((rows >= ends[k - 1]) & (rows < ends[k]))) for k in range(1, len(ends))]


def to_plain(value: Any) -> Any:  # noqa: ANN401 - walks a JSON-like tree
    """The same tree in Python's own types, with ``None`` for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [to_plain(item) for item in value]
    if isinstance(value, np.generic):
        return to_plain(value.item())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _parameters(result: FitResult) -> dict[str, Any]:
    prior, samples = result.posterior.prior, result.samples
    columns: dict[str, Array] = {
        "mean": samples.mean(axis=0),
        "sd": samples.std(axis=0),
        **{f"q{level}": result.quantiles[:, k] for k, level in enumerate(("025", "25", "50", "75", "975"))},
        "prior_low": prior.interval[:, 0],
        "prior_high": prior.interval[:, 1],
        "contraction": contraction(samples, prior),
    }
    table = {}
    for p, (name, unit) in enumerate(zip(prior.names, prior.units, strict=True)):
        table[name] = {"unit": unit} | {key: float(column[p]) for key, column in columns.items()}
        if name in result.truth:
            table[name]["truth"] = float(result.truth[name])
            table[name]["truth_quantile"] = float((samples[:, p] < result.truth[name]).mean())
    return table


STRONG = 0.5
"""Conditional correlation from which a pair of parameters is said to compensate each other."""


def _correlations(result: FitResult) -> dict[str, Any]:
    names = result.posterior.names
    matrix = correlations(result.samples, result.posterior.prior)
    fixed = conditional_correlations(result.samples, result.posterior.prior)
    rows, columns = np.triu_indices(len(names), 1)
    order = np.argsort(-np.abs(fixed[rows, columns]), kind="stable")[:3]
    pairs = [{"names": [names[rows[k]], names[columns[k]]], "r": float(fixed[rows[k], columns[k]])} for k in order]
    strongest = [pair for pair in pairs if abs(pair["r"]) >= STRONG]
    return {
        "names": list(names),
        "matrix": matrix.tolist(),
        "conditional": fixed.tolist(),
        "strongest": strongest,
    }


def _calibration(result: FitResult, seed: int) -> dict[str, Any]:
    if isinstance(result.posterior, Amortized):
        known = unseen(result.posterior, result.simulations) if result.known is None else result.known
        return calibration(result.posterior, known, result.x_o, seed, columns=result.checked) | {
            "source": "held-out simulations"
        }
    return {"n": 0, "reason": "this method gives a posterior for the recording alone", "source": "none"}


def _embedded(result: FitResult, seed: int) -> dict[str, Any] | None:
    """The same test on what the network makes of the samples of a sweep; ``None`` without a learned summary."""
    if not result.features.embedding or not isinstance(result.posterior, Amortized):
        return None
    later = later_rounds(result)
    rows = later[-1][1] if later else result.simulations
    x, x_o = result.posterior.summary(rows.x[rows.usable]), result.posterior.summary(result.x_o[None])[0]
    return novelty(x, x_o, names=[f"summary {k}" for k in range(len(x_o))], seed=seed)


def _logged(result: FitResult, key: str) -> float:
    value = result.rounds[-1].get(key) if result.rounds else None
    return float(value) if value is not None else 0.0


def _distance(features: list[dict[str, Any]]) -> float:
    """Root sum of squares over features of the distance of single draws, in prior sd."""
    distances = np.array([row["distance"] for row in features], float)
    return float(np.sqrt(np.nansum(distances**2))) if np.isfinite(distances).any() else np.nan
