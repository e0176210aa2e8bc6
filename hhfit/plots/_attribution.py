"""Figure of which feature informs which parameter."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hhfit.plots._style import CARD, DENSITY, DPI, styled
from hhfit.result import FitResult


@styled
def attribution(result: FitResult) -> Figure:
    """Bits that each feature gives on each parameter: by itself, and that only it gives; one row per feature."""
    found = result.checks["attribution"]
    features, parameters = found["features"], found["parameters"]
    alone, lost = np.array(found["alone"]), np.array(found["lost"])
    wide = 1.6 + 0.34 * 2 * len(parameters)
    figure = Figure(figsize=(max(1.5 * CARD[0], wide), 1.2 + 0.24 * len(features)), dpi=DPI)
    left, right = figure.subplots(1, 2, sharey=True)
    top = max(1.0, float(max(alone.max(), lost.max())))
    for axes, bits, title in ((left, alone, "by itself [bit]"), (right, lost, "missed when left out [bit]")):
        _cells(axes, bits, top)
        axes.set_title(title)
        axes.set_xticks(range(len(parameters)), parameters, rotation=90)
    left.set_yticks(range(len(features)), features)
    return figure


def _cells(axes: Axes, bits: np.ndarray, top: float) -> None:
    axes.imshow(bits.clip(0.0), cmap=DENSITY, vmin=0.0, vmax=top, aspect="auto")
    for (row, column), value in np.ndenumerate(bits):
        if value >= 0.1:
            colour = "white" if value > 0.6 * top else "black"
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=6.5, color=colour)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
