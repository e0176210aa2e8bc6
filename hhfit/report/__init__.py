"""The report of a fit: one HTML file that holds everything, and the figures beside it.

write(result, folder)     # folder/report.html, folder/figures/*.png and *.pdf
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hhfit import diagnostics, plots
from hhfit.report._attribution import conclusions
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
    attributed = result.checks.get("attribution", {"features": []})
    if attributed["features"]:
        drawn["attribution"] = plots.attribution(result)
    (folder / "figures").mkdir(exist_ok=True)
    images: dict[str, Any] = {
        name: _embedded(figure, plots.save(figure, folder / "figures" / name)) for name, figure in drawn.items()
    }
    for name, draw in _FOR_PAPERS.items():
        plots.save(draw(result), folder / "figures" / name)
    sweeps = [plots.sweep(result, s) for s in range(len(result.recording.sweeps))]
    marginals = [plots.marginal(result, p) for p in range(len(result.posterior.names))]
    images["sweeps"] = [_embedded(figure, plots.png(figure)) for figure in sweeps]
    if result.validation is not None:
        images["kept"] = [_embedded(figure, plots.png(figure)) for figure in plots.kept_sweeps(result)]
    images["marginals"] = [_embedded(figure, plots.png(figure)) for figure in marginals]
    return _written(result, images, folder / "report.html")


def _written(result: FitResult, images: dict[str, Any], path: Path) -> Path:
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
    environment.filters |= {"number": _number, "sds": _sds, "shift": _shift, "shade": _shade}
    result = replace(result, checks={**dict.fromkeys(_LATER), **result.checks})
    template = environment.from_string(files("hhfit.report").joinpath("report.html").read_text(encoding="utf-8"))
    paragraph = methods(result)
    return template.render(
        result=result,
        checks=result.checks,
        images={"calibration": None, "attribution": None, **images},
        rests_on=conclusions(result.checks["attribution"]) if "attribution" in images else [],
        parameters=_parameters(result),
        headline=_HEADLINES[result.checks["verdict"]["word"]],
        undefined=[result.feature_names[k] for k in result.checked if np.isnan(result.x_o[k])],
        methods=paragraph,
        citations=citations(paragraph),
        sentences={status.name: status.sentence for status in Status},
        novelty_tests=_novelty_tests(result.checks),
        shifts=diagnostics.sentences((result.checks["sensitivity"] or {"rows": []})["rows"]),
        suspects=[(name, p) for name, p in _misspecified(result.checks) if p > 0.5],
    )


_LATER = ("validation", "sensitivity", "robust")
"""Checks that a fit may lack."""

_HEADLINES = {
    "good": "nothing speaks against these parameters",
    "doubtful": "use these parameters with care",
    "bad": "do not rely on these parameters",
}


def _novelty_tests(checks: Mapping[str, Any]) -> list[tuple[str, Any]]:
    test = checks["out_of_distribution"]
    tests = [("drawn from the prior", test), *((f"of round {each['round']}", each) for each in test["rounds"])]
    if test["embedded"] is not None:
        tests.append(("of the last round, on what the network makes of the sweeps", test["embedded"]))
    return tests


def _misspecified(checks: Mapping[str, Any]) -> list[tuple[str, float]]:
    return list((checks["robust"] or {"misspecified": {}})["misspecified"].items())


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


def _sds(value: float | None) -> str:
    """A shift in standard deviations, with its sign.

    Example:
        >>> _sds(-1.234)
        '−1.2 sd'
    """
    return "–" if value is None else f"{value:+.1f} sd".replace("-", "−")


def _shift(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3g}".replace("-", "−")


def _shade(value: float | None) -> str:
    """Background of a shift in standard deviations: orange for up, blue for down, full at 4.

    Example:
        >>> _shade(4.0), _shade(-0.4)
        ('rgba(213, 94, 0, 0.45)', 'rgba(0, 114, 178, 0.045)')
    """
    strength = 0.45 * min(abs(value or 0.0) / 4.0, 1.0)
    return f"rgba({'213, 94, 0' if (value or 0.0) > 0 else '0, 114, 178'}, {strength:.2g})"
