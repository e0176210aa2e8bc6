"""Marginals and pair plot of the posterior."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.plots._style import DENSITY, DPI, PREDICTED, PRIOR, TRUTH, quantity_label, styled
from hhfit.result import FitResult

BINS = 40
PAIR_BINS = 30
LEVELS = (0.95, 0.68)
"""Highest-density regions drawn in the pair plot."""


@styled
def marginals(result: FitResult) -> Figure:
    """One panel per parameter over its whole prior range, with median, 95 % interval and truth."""
    n = result.posterior.prior.n_parameters
    columns = min(n, 4)
    rows = -(-n // columns)
    figure = Figure(figsize=(2.1 * columns, 1.75 * rows), dpi=DPI)
    grid = figure.subplots(rows, columns, squeeze=False)
    for p, axes in enumerate(grid.ravel()):
        if p < n:
            _titled_marginal(axes, result, p)
        else:
            axes.set_axis_off()
    return figure


@styled
def marginal(result: FitResult, p: int) -> Figure:
    """One parameter over its prior range, with median, 95 % interval and truth."""
    figure = Figure(figsize=(2.1, 1.75), dpi=DPI)
    _titled_marginal(figure.subplots(), result, p)
    return figure


def _titled_marginal(axes: Axes, result: FitResult, p: int) -> None:
    _marginal(axes, result, p)
    low, median, high = result.quantiles[p, [0, 2, 4]]
    axes.set_title(f"{_short(median)}  ({_short(low)} to {_short(high)})", fontsize=7.5)
    axes.set_xlabel(_name(result, p))


@styled
def pairs(result: FitResult) -> Figure:
    """Pair plot: marginals on the diagonal, densities with 68 and 95 % contours above it."""
    n = result.posterior.prior.n_parameters
    size = 1.2 * n + 0.8
    figure = Figure(figsize=(size, size), dpi=0.7 * DPI, layout="none")
    edge = 0.35 / size
    grid = figure.add_gridspec(n, n, left=edge, right=1 - edge, bottom=2 * edge, top=1 - edge, wspace=0.1, hspace=0.1)
    for row in range(n):
        for column in range(row, n):
            axes = figure.add_subplot(grid[row, column])
            if column == row:
                _marginal(axes, result, row)
                axes.set_xlabel(_name(result, row).replace(" [", "\n["))
            else:
                _pair(axes, result, column, row)
    figure.text(edge, 2 * edge, _key(result), fontsize=8.5, va="bottom", linespacing=1.5)
    return figure


def _key(result: FitResult) -> str:
    lines = ["Every axis is a prior range.", "Contours: 68 and 95 % of the mass.", "Dotted: prior. Full line: median."]
    if result.truth:
        lines.append("Orange dashes and crosses: true values (synthetic recording).")
    return "\n".join(lines if result.posterior.prior.n_parameters > 2 else [])


def _name(result: FitResult, p: int) -> str:
    prior = result.posterior.prior
    return quantity_label(prior.names[p], prior.units[p])


def _marginal(axes: Axes, result: FitResult, p: int) -> None:
    prior = result.posterior.prior
    low, high = prior.interval[p]
    edges = np.linspace(low, high, BINS + 1)
    density, _ = np.histogram(result.samples[:, p], edges, density=True)
    axes.stairs(density, edges, fill=True, color=PREDICTED, alpha=0.35, lw=0)
    axes.stairs(density, edges, color=PREDICTED, lw=0.9)
    at = np.linspace(low, high, 200)
    axes.plot(at, np.exp(prior.marginals[p].log_prob(at)), color=PRIOR, ls=":", lw=1.0)
    axes.axvline(result.quantiles[p, 2], color=PREDICTED, lw=1.0)
    if prior.names[p] in result.truth:
        axes.axvline(result.truth[prior.names[p]], color=TRUTH, lw=1.3, ls="--")
    axes.set_xlim(low, high)
    axes.set_ylim(0, 1.15 * density.max())
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xticks([low, high], [_short(low), _short(high)])
    for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)


def _pair(axes: Axes, result: FitResult, p: int, q: int) -> None:
    prior, samples = result.posterior.prior, result.samples
    ranges = [prior.interval[p].tolist(), prior.interval[q].tolist()]
    counts, x, y = np.histogram2d(samples[:, p], samples[:, q], PAIR_BINS, ranges)
    smooth = _smooth(counts).T
    axes.pcolormesh(x, y, smooth, cmap=DENSITY, rasterized=True)
    levels = _levels(smooth)
    if levels[0] < levels[1] < smooth.max():
        centres = [(edge[1:] + edge[:-1]) / 2 for edge in (x, y)]
        axes.contour(*centres, smooth, levels, colors=["#333333", "#000000"], linewidths=[0.6, 0.9])
    names = prior.names[p], prior.names[q]
    if all(name in result.truth for name in names):
        axes.plot(*(result.truth[name] for name in names), "x", color=TRUTH, ms=6, mew=1.6)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)


def _smooth(counts: Array) -> Array:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(counts, 1.0, mode="nearest")


def _levels(density: Array) -> list[float]:
    """Densities whose superlevel sets hold 95 and 68 % of the mass."""
    ordered = np.sort(density.ravel())[::-1]
    mass = np.cumsum(ordered) / ordered.sum()
    return [float(ordered[np.searchsorted(mass, level)]) for level in LEVELS]


def _short(value: float) -> str:
    return (f"{value:.0f}" if 1000 <= abs(value) < 1e5 else f"{value:.3g}").replace("e-0", "e-").replace("-", "−")
