"""Colours and sizes of the papers' figures, and the drawings that several of them share."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from hhfit.arrays import Array
from hhfit.prior import Prior

TRUTH = (35 / 255, 86 / 255, 167 / 255)
SNPE = (0 / 255, 174 / 255, 239 / 255)
EXACT = (244 / 255, 152 / 255, 25 / 255)
IBEA = (102 / 255, 179 / 255, 46 / 255)
CDE = (105 / 255, 105 / 255, 105 / 255)
TRUE_POSTERIOR = "red"
MODERN = (0.55, 0.16, 0.55)
"""Colours of Lueckmann et al. 2017 and, for what is newer than it, one of our own."""

Colour = str | tuple[float, ...]
"""What matplotlib takes for a colour."""

WIDTH = 160.0
"""Width of the papers' figures [mm]."""

MAP = "viridis"
"""Colours of densities and covariances; the papers have parula, which matplotlib lacks."""


def sheet(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of the papers' width; height and width in mm."""
    return Figure(figsize=(width / 25.4 * 1.3, height / 25.4 * 1.3), dpi=200)


def error_bars(axes: Axes, at: Array, mean: Array, sd: Array, colour: object, label: str) -> None:
    """Mean and two standard deviations of every parameter."""
    axes.errorbar(at, mean, yerr=2 * sd, fmt="o", ms=3, lw=1.0, color=colour, label=label)


def density(axes: Axes, samples: Array, low: float, high: float, colour: object, label: str = "") -> None:
    """Outline of one parameter's density between two bounds."""
    height, edges = np.histogram(samples, np.linspace(low, high, 41), density=True)
    axes.stairs(height, edges, color=colour, lw=1.1, label=label or None)
    axes.set_xlim(low, high)
    axes.set_yticks([])


def levels(heights: Array, masses: Sequence[float]) -> list[float]:
    """Heights whose superlevel sets hold the given masses, ascending and distinct."""
    ordered = np.sort(heights.ravel())[::-1]
    mass = np.cumsum(ordered) / ordered.sum()
    found = sorted(float(ordered[min(np.searchsorted(mass, level), len(ordered) - 1)]) for level in masses)
    return [level for i, level in enumerate(found) if i == 0 or level > found[i - 1]]


def smooth_counts(samples: Array, ranges: Sequence[tuple[float, float]], bins: int = 40) -> tuple[Array, Array, Array]:
    """Smoothed two-dimensional histogram of ``(n, 2)`` samples, transposed for drawing, and its edges."""
    from scipy.ndimage import gaussian_filter

    counts, x, y = np.histogram2d(samples[:, 0], samples[:, 1], bins, [list(pair) for pair in ranges])
    return gaussian_filter(counts, 1.2, mode="nearest").T, x, y


def pairs(
    home: Figure | SubFigure,
    prior: Prior,
    posteriors: Mapping[str, tuple[Array, Colour]],
    *,
    truth: Array | None = None,
    extra: Array | None = None,
    image: int = -1,
    masses: Sequence[float] = (0.68, 0.95),
    logs: bool = False,
) -> None:
    """Pair plot: marginals on the diagonal, an image and contours above it; axes are the prior's box.

    Args:
        home: Where to draw.
        prior: The prior; its names label the diagonal.
        posteriors: Draws ``(n, P)`` from each distribution and their colour, by what the legend calls them.
        truth: True parameters ``(P,)``.
        extra: IBEA's best individuals ``(k, P)``, shown as dots.
        image: Which distribution is the image; none when negative.
        masses: Masses of the contours.
        logs: Whether parameters are shown by their logarithms.
    """
    shown = (lambda a: np.log(a)) if logs else (lambda a: a)
    box = [tuple(shown(np.array(pair))) for pair in prior.interval]
    samples, colours = zip(*posteriors.values(), strict=True)
    _legend(home, dict(zip(posteriors, colours, strict=True)), truth is not None, extra is not None)
    n = prior.n_parameters
    grid = home.subplots(n, n, squeeze=False, gridspec_kw={"wspace": 0.08, "hspace": 0.08})
    for row in range(n):
        for column in range(n):
            axes = grid[row, column]
            if column < row:
                axes.set_axis_off()
            elif column == row:
                for draws, colour in zip(samples, colours, strict=True):
                    density(axes, shown(draws[:, row]), *box[row], colour)
                if truth is not None:
                    axes.axvline(shown(truth[row]), color=TRUE_POSTERIOR, lw=1)
                axes.set_xlabel(prior.names[row], labelpad=1, fontsize=7)
                axes.set_xticks([])
            else:
                _pair(
                    axes, [shown(s[:, [column, row]]) for s in samples], colours, (box[column], box[row]), image, masses
                )
                if truth is not None:
                    axes.plot(shown(truth[column]), shown(truth[row]), "+", color=TRUE_POSTERIOR, ms=5, mew=1)
                if extra is not None:
                    axes.plot(shown(extra[:, column]), shown(extra[:, row]), ".", color=EXACT, ms=2)


def _legend(home: Figure | SubFigure, colours: Mapping[str, Colour], truth: bool, extra: bool) -> None:
    """Say in the empty corner what is drawn."""
    lines = {label: Line2D([], [], color=colour, lw=1) for label, colour in colours.items()}
    if truth:
        lines["truth"] = Line2D([], [], color=TRUE_POSTERIOR, marker="+", ls="", ms=5)
    if extra:
        lines["IBEA's best"] = Line2D([], [], color=EXACT, marker=".", ls="", ms=3)
    home.legend(list(lines.values()), list(lines), loc="lower left", fontsize=6, frameon=False)


def _pair(
    axes: Axes,
    samples: Sequence[Array],
    colours: Sequence[object],
    box: tuple[tuple[float, float], tuple[float, float]],
    image: int,
    masses: Sequence[float],
) -> None:
    for k, (draws, colour) in enumerate(zip(samples, colours, strict=True)):
        counts, x, y = smooth_counts(draws, box)
        if k == image % len(samples) and image >= 0:
            axes.pcolormesh(x, y, counts, cmap=MAP, rasterized=True)
        if counts.max() > 0:
            centres = [(edges[1:] + edges[:-1]) / 2 for edges in (x, y)]
            axes.contour(*centres, counts, levels(counts, masses), colors=[colour], linewidths=0.8)
    axes.set_xlim(*box[0])
    axes.set_ylim(*box[1])
    axes.set_xticks([])
    axes.set_yticks([])
