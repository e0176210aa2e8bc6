"""The report of a fit: one HTML file that holds everything, and the figures beside it.

write(result, folder)     # folder/report.html, folder/figures/*.png and *.pdf
"""

import base64
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hhfit import plots
from hhfit.report._methods import citations, methods
from hhfit.result import FitResult
from hhfit.traces import Status

__all__ = ["write"]

_FIGURES: dict[str, Callable[[FitResult], Any]] = {
    "spike_counts": plots.spike_counts,
    "first_spikes": plots.first_spikes,
    "pairs": plots.pairs,
    "feature_errors": plots.feature_errors,
}
"""Figures that the page shows and the folder holds."""

_FOR_PAPERS: dict[str, Callable[[FitResult], Any]] = {"traces": plots.traces, "marginals": plots.marginals}
"""Figures that only the folder holds; the page shows their panels one by one, so that they fit a telephone."""


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
    images: dict[str, Any] = {
        name: _embedded(figure, plots.save(figure, folder / "figures" / name)) for name, figure in drawn.items()
    }
    for name, draw in _FOR_PAPERS.items():
        plots.save(draw(result), folder / "figures" / name)
    sweeps = [plots.sweep(result, s) for s in range(len(result.recording.sweeps))]
    marginals = [plots.marginal(result, p) for p in range(len(result.posterior.names))]
    images["sweeps"] = [_embedded(figure, plots.png(figure)) for figure in sweeps]
    images["marginals"] = [_embedded(figure, plots.png(figure)) for figure in marginals]
    path = folder / "report.html"
    unfinished = path.with_suffix(".new")
    unfinished.write_text(_render(result, images), encoding="utf-8")
    unfinished.replace(path)
    return path


def _embedded(figure: Figure, image: bytes) -> dict[str, Any]:
    """A figure for the page: PNG as base64, and its natural size in pixels of the page."""
    width, height = (round(96 * inch) for inch in figure.get_size_inches())
    return {"data": base64.b64encode(image).decode(), "width": width, "height": height}


def _render(result: FitResult, images: dict[str, Any]) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = _number
    template = environment.from_string(files("hhfit.report").joinpath("report.html").read_text(encoding="utf-8"))
    paragraph = methods(result)
    return template.render(
        result=result,
        checks=result.checks,
        images={"calibration": None, **images},
        parameters=_parameters(result),
        headline=_HEADLINES[result.checks["verdict"]["word"]],
        undefined=[result.feature_names[k] for k in result.checked if np.isnan(result.x_o[k])],
        methods=paragraph,
        citations=citations(paragraph),
        sentences={status.name: status.sentence for status in Status},
        novelty_tests=_novelty_tests(result.checks),
    )


_HEADLINES = {
    "good": "nothing speaks against these parameters",
    "doubtful": "use these parameters with care",
    "bad": "do not rely on these parameters",
}


def _novelty_tests(checks: Mapping[str, Any]) -> list[tuple[str, Any]]:
    test = checks["out_of_distribution"]
    tests = [("drawn from the prior", test), ("of later rounds", test["later_rounds"])]
    return [(text, each) for text, each in tests if each is not None]


def _parameters(result: FitResult) -> list[dict[str, Any]]:
    prior = result.posterior.prior
    contraction = result.checks["parameters"]
    rows = []
    for p, name in enumerate(prior.names):
        column, (low, high) = result.samples[:, p], prior.interval[p]
        row = {
            "name": name,
            "unit": plots.unit_label(prior.units[p]),
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
    if value is None:
        return "–"
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"
