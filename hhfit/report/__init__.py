"""The report of a fit: one HTML file that holds everything, and the figures beside it.

write(result, folder)     # folder/report.html, folder/figures/*.png and *.pdf
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hhfit import diagnostics, plots
from hhfit.report._attribution import conclusions
from hhfit.report._methods import citations, methods
from hhfit.report._trust import lines
from hhfit.result import FitResult
from hhfit.traces import MACHINE, Status

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
    if len(result.checks["outcomes"]) > 1:
        drawn["outcomes"] = plots.outcomes(result)
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
    environment.filters |= {
        "number": _number,
        "count": _count,
        "readable": _readable,
        "sds": _sds,
        "shift": _shift,
        "shade": _shade,
    }
    result = replace(result, checks={**dict.fromkeys(_LATER), **result.checks})
    template = environment.from_string(files("hhfit.report").joinpath("report.html").read_text(encoding="utf-8"))
    paragraph = methods(result)
    return template.render(
        result=result,
        checks=result.checks,
        images={"calibration": None, "attribution": None, "outcomes": None, **images},
        failing=[status.name for status in result.simulations.fail_on],
        trust=lines(result),
        thinned=_thinned(result),
        rests_on=conclusions(result.checks["attribution"]) if "attribution" in images else [],
        parameters=_parameters(result),
        headline=_HEADLINES[result.checks["verdict"]["word"]],
        methods=paragraph,
        citations=citations(paragraph),
        sentences={status.name: status.sentence for status in Status},
        novelty_tests=_novelty_tests(result.checks),
        shifts=_shifts(result),
        suspects=[(name, p) for name, p in _misspecified(result.checks) if p > 0.5],
    )


def _thinned(result: FitResult) -> list[str]:
    """What thinning by the classifier of failures did, in sentences."""
    used = [(k, log) for k, log in enumerate(result.rounds, start=1) if log.get("classifier") == "used"]
    sentences = []
    if used:
        number, log = used[-1]
        sentences.append(
            f"From round {used[0][0] + 1} on, parameters that promised no usable simulation were left out: "
            f"{100 * log['classifier_cut_off']:.0f} % of what would have been simulated after round {number}, at the "
            f"cost of {100 * log['classifier_lost_mass']:.2f} % of the usable simulations (Brier score "
            f"{log['classifier_brier']:.3f}, {log['classifier_brier_of_base_rate']:.3f} without foresight)."
        )
    lost = sum(int((result.simulations.status == status).sum()) for status in MACHINE)
    if lost:
        sentences.append(
            f"{lost} simulations were lost to timeouts or crashes. They depend on the machine as well as on the "
            "parameters, so that the posterior, which is that of a machine that does not fail, may be biased there."
        )
    return sentences


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
    tests = [(text, {**each, "blame": _blamed(each, checks)}) for text, each in tests]
    if test["embedded"] is not None:
        tests.append(("of the last round, in what the network makes of the sweeps", test["embedded"]))
    return tests


def _blamed(test: Mapping[str, Any], checks: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"name": diagnostics.named(row["name"], checks["spikes"])} for row in test["blame"]]


def _misspecified(checks: Mapping[str, Any]) -> list[tuple[str, float]]:
    found = (checks["robust"] or {"misspecified": {}})["misspecified"]
    return [(diagnostics.named(name, checks["spikes"]), p) for name, p in found.items()]


def _shifts(result: FitResult) -> list[str]:
    prior = result.posterior.prior
    rows = (result.checks["sensitivity"] or {"rows": []})["rows"]
    return diagnostics.sentences(rows, dict(zip(prior.names, prior.units, strict=True)))


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
    """A number with three digits, or a dash where there is none.

    Example:
        >>> _number(2058.7), _number(-51.864), _number(0.0212)
        ('2059', '−51.9', '0.0212')
    """
    if value is None:
        return "–"
    text = f"{value:.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.3g}"
    return f"−{text[1:]}" if text.startswith("-") else text


def _count(value: float | None) -> str:
    """A number of spikes."""
    return "–" if value is None else f"{value:.0f}"


def _readable(text: str) -> str:
    """A sentence with units and minus signs as a reader writes them.

    Example:
        >>> _readable("8190 um2 at -62.2 mV, 1 uF/cm2, 403 MOhm, 0-700 ms")
        '8190 µm² at −62.2 mV, 1 µF/cm², 403 MΩ, 0–700 ms'
    """
    text = re.sub(r"(?<=\d)-(?=[\d.]+ [a-z])", "–", re.sub(r"(?<![\w.])-(?=\d)", "−", text))
    return re.sub(r"\b(?:[mu][SFA]/cm2|um2|cm2|MOhm|degC)\b", lambda found: plots.unit_label(found[0]), text)


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
