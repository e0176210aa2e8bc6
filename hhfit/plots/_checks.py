"""Figures of the checks: predictive error per feature, calibration."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hhfit.plots._style import CARD, DPI, PREDICTED, PRIOR, RECORDED, TRUTH, styled
from hhfit.result import FitResult


@styled
def feature_errors(result: FitResult) -> Figure:
    """Predicted minus observed, per feature, in prior sd: one row per feature, one mark per sweep."""
    rows = result.checks["features"]
    sweeps = result.recording.protocol.n_sweeps
    table = [rows[k :: len(rows) // sweeps] for k in range(len(rows) // sweeps)]
    functions = [cells[0]["name"] if sweeps == 1 else cells[0]["name"].partition(":")[2] for cells in table]
    figure = Figure(figsize=(CARD[0], 0.9 + 0.24 * len(functions)), dpi=DPI)
    axes = figure.subplots()
    worst = 1.0
    for k, cells in enumerate(table):
        errors = np.array([cell["error"] for cell in cells if None not in (cell["error"], cell["observed"])])
        offsets = np.linspace(-0.25, 0.25, len(errors)) if len(errors) > 1 else np.zeros(len(errors))
        axes.plot(errors, k + offsets, "o", color=PREDICTED, ms=3.5, alpha=0.8, mew=0)
        worst = max(worst, float(np.abs(errors).max(initial=0.0)))
        if not len(errors):
            axes.text(0, k, " undefined in the recording or in the prediction", va="center", fontsize=6.5, color=PRIOR)
    axes.axvspan(-0.5, 0.5, color=PRIOR, alpha=0.2, lw=0)
    axes.axvline(0, color=RECORDED, lw=0.8)
    axes.set_yticks(range(len(functions)), functions)
    axes.set_ylim(len(functions) - 0.5, -0.5)
    axes.set_xlim(-1.08 * worst, 1.08 * worst)
    axes.set_xlabel("predicted − recorded [prior sd]")
    return figure


@styled
def calibration(result: FitResult) -> Figure:
    """Expected coverage against level, and mean rank of the truth per parameter."""
    test = result.checks["calibration"]
    figure = Figure(figsize=(CARD[0] * 1.5, CARD[1]), dpi=DPI)
    left, right = figure.subplots(1, 2)
    _coverage(left, test)
    _ranks(right, test)
    return figure


def _coverage(axes: Axes, test: dict[str, Any]) -> None:
    curve = np.array(test.get("curve") or [[float(k), v] for k, v in test["coverage"].items()], float)
    level = np.linspace(0, 1, 101)
    band = 2 * np.sqrt(level * (1 - level) / test["n"])
    axes.fill_between(level, level - band, level + band, color=PRIOR, alpha=0.3, lw=0, label="chance (±2 se)")
    axes.plot(level, level, color=PRIOR, lw=0.8)
    axes.plot(curve[:, 0], curve[:, 1], "o-", ms=3, color=PREDICTED, label="this posterior")
    axes.text(0.97, 0.06, "below: too narrow", ha="right", fontsize=7, color=PRIOR)
    axes.text(0.03, 0.7, "above: too wide", fontsize=7, color=PRIOR)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="posterior mass of the region", ylabel="holds the truth in this fraction")
    axes.legend(loc="upper left")


def _ranks(axes: Axes, test: dict[str, Any]) -> None:
    ranks = test.get("rank") or {}
    band = 4 * np.sqrt(1 / 12 / test["n"])
    axes.axvspan(0.5 - band, 0.5 + band, color=PRIOR, alpha=0.3, lw=0)
    axes.axvline(0.5, color=PRIOR, lw=0.8)
    for k, rank in enumerate(ranks.values()):
        off = abs(rank - 0.5) > max(0.05, band)
        axes.plot(rank, k, "D" if off else "o", color=TRUTH if off else PREDICTED, ms=5)
    axes.set_yticks(range(len(ranks)), list(ranks))
    axes.set_ylim(len(ranks) - 0.5, -0.5)
    axes.set(xlim=(0.2, 0.8), xlabel="mean rank of the truth\n(left: estimate too high)")
