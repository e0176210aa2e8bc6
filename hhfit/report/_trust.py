"""The checks in numbers, each with what it should be."""

from typing import Any, NamedTuple

import numpy as np

from hhfit.result import FitResult


class Line(NamedTuple):
    """One line of a table.

    Args:
        question: What was looked at.
        found: What was found, in words or numbers.
        good: What it should be.
    """

    question: str
    found: str
    good: str


def lines(result: FitResult) -> list[Line]:
    """Every check that is one number."""
    checks = result.checks
    boundary, undefined = checks["boundary_mass"], int(np.isnan(result.x_o[result.checked]).sum())
    distance = _distance(checks["features"])
    return [
        *_coverage(checks["calibration"]),
        Line("Posterior mass outside the prior's range", _percent(checks["leaked_mass"]), "0 %"),
        Line(
            "Posterior mass in the outer 1 % of any parameter's prior range",
            _percent(boundary["mass"]),
            f"at most that of the prior itself, {_percent(boundary['prior'])}",
        ),
        Line(
            "Independent posterior draws (effective sample size)", f"{checks['effective_sample_size']:.0f}", "above 400"
        ),
        Line("Simulations that failed", _percent(1.0 - float(result.simulations.usable.mean())), "small; see below"),
        Line("Predictions from the posterior that failed", _percent(checks["predictive_failed"]), "below 10 %"),
        Line(
            "Distance of predictions from the recording, per feature [sd of what the prior predicts]",
            "–" if distance is None else f"{distance:.2g}",
            "far below 1.4, the distance of draws from the prior",
        ),
        Line(
            "Features that the recording does not have (such as a spike width without spikes)",
            f"{undefined} of {len(result.checked)}",
            "any number: simulations without them are taken to be alike",
        ),
    ]


def _coverage(test: dict[str, Any]) -> list[Line]:
    question = "Known parameters that lie in the 90 % region of their posterior"
    if not test["n"]:
        return [Line(question, f"not measured: {test['reason']}", "90 %")]
    found = [Line(question, _percent(test["coverage"]["0.9"]), _near(test["n"]))]
    local = test.get("local")
    if local:
        of = f"The same for the {local['n']} simulations most like the recording"
        found.append(Line(of, _percent(local["coverage"]["0.9"]), _near(local["n"])))
    return found


def _distance(features: list[dict[str, Any]]) -> float | None:
    """Root mean square over features of the distance of single draws."""
    squares = [row["distance"] ** 2 for row in features if row["distance"] is not None]
    return float(np.mean(squares)) ** 0.5 if squares else None


def _near(n: int) -> str:
    """The range of chance around 90 % with n simulations, three standard errors."""
    return f"90 %, by chance ± {300 * (0.09 / n) ** 0.5:.0f}"


def _percent(share: float) -> str:
    """A share with as many digits as are worth reading.

    Example:
        >>> _percent(0.0), _percent(0.00766), _percent(0.8666)
        ('0 %', '0.8 %', '87 %')
    """
    value = 100.0 * share
    return "0 %" if value == 0 else f"{value:.1f} %" if value < 10 else f"{value:.0f} %"
