"""Where in parameter space each outcome of a simulation lives."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.diagnostics import prior_simulations
from hhfit.plots._style import CARD, DPI, quantity_label, styled
from hhfit.result import FitResult
from hhfit.traces import Status

COLOURS = {
    Status.OK: "#0072B2",
    Status.SILENT: "#BBBBBB",
    Status.SPONTANEOUS: "#56B4E9",
    Status.BLOCK: "#E69F00",
    Status.RUNAWAY: "#D55E00",
    Status.NOT_FINITE: "#000000",
    Status.DIVERGING: "#CC79A7",
    Status.SOLVER: "#F0E442",
    Status.TIMEOUT: "#009E73",
    Status.CRASHED: "#666666",
}
"""Okabe and Ito's palette, and greys."""

_BINS, _PANELS = 12, 3


@styled
def outcomes(result: FitResult) -> Figure:
    """Share of every outcome along the parameters that tell outcomes apart best, in simulations of the prior."""
    drawn = prior_simulations(result)
    u, status = result.posterior.prior.to_cube(drawn.theta), drawn.status
    kinds = [kind for kind in Status if (status == kind).any()]
    chosen = sorted(_telling(u, status, kinds))
    figure = Figure(figsize=(CARD[0] * 2, CARD[1]), dpi=DPI)
    panels = figure.subplots(1, len(chosen), sharey=True, squeeze=False)[0]
    for axes, p in zip(panels, chosen, strict=True):
        _stack(axes, result, p, u[:, p], status, kinds)
    panels[0].set_ylabel("share of simulations")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _telling(u: Array, status: Array, kinds: list[Status]) -> list[int]:
    """The parameters along which shares of outcomes differ most, by the summed variance of the shares."""
    cells = (u * _BINS).astype(int).clip(0, _BINS - 1)
    spread = [
        sum(np.var([np.mean(status[cells[:, p] == b] == kind) for b in np.unique(cells[:, p])]) for kind in kinds)
        for p in range(u.shape[1])
    ]
    return [int(p) for p in np.argsort(spread)[::-1][:_PANELS]]


def _stack(axes: Axes, result: FitResult, p: int, u: Array, status: Array, kinds: list[Status]) -> None:
    prior = result.posterior.prior
    edges = np.full((_BINS + 1, len(prior.names)), 0.5)
    edges[:, p] = np.linspace(1e-6, 1 - 1e-6, _BINS + 1)
    at = prior.from_cube(edges)[:, p]
    cell, low = (u * _BINS).astype(int).clip(0, _BINS - 1), np.zeros(_BINS)
    count = np.maximum(np.bincount(cell, minlength=_BINS), 1)
    for kind in kinds:
        share = np.bincount(cell[status == kind], minlength=_BINS) / count
        label = kind.name.lower().replace("_", " ")
        axes.stairs(low + share, at, baseline=low, fill=True, color=COLOURS[kind], label=label)
        low = low + share
    if prior.marginals[p].kind.startswith("log"):
        axes.set_xscale("log")
    axes.set(xlim=(at[0], at[-1]), ylim=(0, 1), xlabel=quantity_label(prior.names[p], prior.units[p]))
