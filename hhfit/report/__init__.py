"""The report of a fit: one HTML file that holds everything, and the figures beside it.

write(result, folder)     # folder/report.html, folder/figures/*.png and *.pdf
"""

import base64
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from hhfit import plots
from hhfit.result import FitResult

__all__ = ["write"]

_FIGURES: dict[str, Callable[[FitResult], Any]] = {
    "traces": plots.traces,
    "spike_counts": plots.spike_counts,
    "first_spikes": plots.first_spikes,
    "marginals": plots.marginals,
    "pairs": plots.pairs,
    "feature_errors": plots.feature_errors,
}


def write(result: FitResult, folder: Path) -> Path:
    """Write the report.

    Args:
        result: The fit, with its checks.
        folder: Run directory.

    Returns:
        Path of ``report.html``.
    """
    drawn = {name: draw(result) for name, draw in _FIGURES.items()}
    if result.checks["calibration"]["n"]:
        drawn["calibration"] = plots.calibration(result)
    (folder / "figures").mkdir(exist_ok=True)
    for name, figure in drawn.items():
        plots.save(figure, folder / "figures" / name)
    images = {name: base64.b64encode(plots.png(figure)).decode() for name, figure in drawn.items()}
    path = folder / "report.html"
    unfinished = path.with_suffix(".new")
    unfinished.write_text(_render(result, images), encoding="utf-8")
    unfinished.replace(path)
    return path


def _render(result: FitResult, images: dict[str, str]) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = _number
    template = environment.from_string(files("hhfit.report").joinpath("report.html").read_text(encoding="utf-8"))
    return template.render(
        result=result,
        checks=result.checks,
        images={"calibration": "", **images},
        parameters=_parameters(result),
        undefined=[name for name, value in zip(result.feature_names, result.x_o, strict=True) if np.isnan(value)],
        methods=methods(result),
    )


def methods(result: FitResult) -> str:
    """A methods paragraph, ready to paste."""
    settings, recording = result.settings, result.recording
    names = ", ".join(result.posterior.names)
    rounds = f" in {settings['rounds']} rounds" if len(result.rounds) > 1 else ""
    method = _REFERENCES.get(settings["method"], settings["method"])
    return (
        f"{len(recording.sweeps)} current-clamp sweep(s) were fitted with hhfit {result.versions['hhfit']} by "
        f"simulation-based inference ({method}). The model ({result.model.source}) had "
        f"{len(result.posterior.names)} free parameters ({names}) with the priors given above. "
        f"{settings['simulations']} parameter sets{rounds} were simulated with {settings['simulator']} at a step of "
        f"at most {settings['step']:g} ms, driven by the recorded current, and summarized by the feature set "
        f"'{result.features.name}'. The posterior was estimated by spline flows on the prior's own range "
        f"(Durkan et al. 2019). {result.assumptions[0]}"
    )


_REFERENCES = {
    "tsnpe": "truncated sequential neural posterior estimation, Deistler et al. 2022",
    "npe": "neural posterior estimation, Papamakarios & Murray 2016",
}


def _parameters(result: FitResult) -> list[dict[str, Any]]:
    prior = result.posterior.prior
    contraction = result.checks["parameters"]
    rows = []
    for p, name in enumerate(prior.names):
        column, (low, high) = result.samples[:, p], prior.interval[p]
        row = {
            "name": name,
            "unit": prior.units[p],
            "mean": column.mean(),
            "sd": column.std(),
            "low": low,
            "high": high,
        }
        row |= {"q": result.quantiles[p].tolist(), "contraction": contraction[name]["contraction"]}
        rows.append(row | {"truth": result.truth.get(name)})
    return rows


def _number(value: float | None) -> str:
    """A number with four digits, or a dash where there is none."""
    return "–" if value is None else f"{value:.4g}"
