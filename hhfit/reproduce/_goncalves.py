"""Drawings of Goncalves et al. 2020."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.plots import styled
from hhfit.prior import Prior
from hhfit.reproduce import _draw

GREEN, PURPLE, MAGENTA = "#2e9f4b", "#5b2a86", "#d6249f"
"""Observation, high and low probability, as in the paper."""
NAMES = {1: "1 feature", 4: "4 features", 7: "7 features"}
BLUES = ("#9ecae1", "#4292c6", "#08306b")
"""1, 4 and 7 features."""
ORANGE = "#e08214"
"""IBEA and TSNPE: far from green and purple."""
FEATURES = ("spikes", "rest", "sd rest", "mean", "variance", "skewness", "kurtosis")


def trace_colours(axes: Axes, a: dict[str, Array], shown: dict[str, tuple[Array, str]]) -> None:
    """Traces under each other's names."""
    for label, (trace, colour) in shown.items():
        axes.plot(a["time"], trace, color=colour, lw=0.6, label=label)
    axes.set(xlabel="time [ms]", ylabel="V [mV]")
    axes.legend(fontsize=6, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(shown))


def bars(axes: Axes, a: dict[str, Array], shown: dict[str, tuple[Array, str]]) -> None:
    """Mean and sd of features over simulations, in sds of the prior."""
    width = 0.8 / len(shown)
    for k, (label, (x, colour)) in enumerate(shown.items()):
        x = x / a["prior_sd"]
        at = np.arange(len(FEATURES)) + (k - (len(shown) - 1) / 2) * width
        axes.bar(at, np.nanmean(x, axis=0), width, yerr=np.nanstd(x, axis=0), color=colour, label=label)
    axes.set_xticks(range(len(FEATURES)), FEATURES, rotation=40, ha="right", fontsize=6)
    axes.set_ylabel("feature / prior sd")
    axes.legend(fontsize=6)


def _thin(trace: Array, a: dict[str, Array]) -> Array:
    from hhfit.reproduce._predictions import thin

    return thin(trace)[: len(a["time"])]


@styled
def posterior(a: dict[str, Array], prior: Prior) -> Figure:
    """Figure 4B and C: the posterior, traces and features of high and low probability."""
    figure = _draw.sheet(165)
    top, bottom = figure.subfigures(2, 1, height_ratios=[2.3, 1])
    both = {"one round": (a["npe7.draws"], PURPLE), "TSNPE": (a["tsnpe.draws"], ORANGE)}
    _draw.pairs(top, prior, both, truth=a["truth"], image=0)
    left, right = bottom.subplots(1, 2)
    shown = {"observation": (a["observed"], GREEN), "mode": (_thin(a["npe7.mode_trace"][0], a), PURPLE)}
    trace_colours(left, a, shown | {"low probability": (_thin(a["npe7.low_trace"][0], a), MAGENTA)})
    features = {"observation": (a["seen"], GREEN), "mode": (a["npe7.mode_x"], PURPLE)}
    bars(right, a, features | {"low probability": (a["npe7.low_x"], MAGENTA)})
    return figure


def _by_features(a: dict[str, Array]) -> dict[str, tuple[Array, _draw.Colour]]:
    return {NAMES[count]: (a[f"npe{count}.draws"], colour) for count, colour in zip(NAMES, BLUES, strict=True)}


@styled
def growing(a: dict[str, Array], prior: Prior) -> Figure:
    """Figure 4D and E: four parameters and the traces at the modes, given 1, 4 and 7 features."""
    figure = _draw.sheet(80)
    left, right = figure.subfigures(1, 2, width_ratios=[1.2, 1])
    few = Prior(prior.names[:4], prior.units[:4], prior.marginals[:4])
    draws = {label: (own[:, :4], colour) for label, (own, colour) in _by_features(a).items()}
    _draw.pairs(left, few, draws, truth=a["truth"][:4], masses=(0.68,))
    grid = right.subplots(4, 1, sharex=True)
    traces = [(a["observed"], GREEN, "observation")]
    traces += [
        (_thin(a[f"npe{count}.mode_trace"][0], a), colour, f"mode, {NAMES[count]}")
        for count, colour in zip(NAMES, BLUES, strict=True)
    ]
    for axes, (trace, colour, label) in zip(grid, traces, strict=True):
        axes.plot(a["time"], trace, color=colour, lw=0.6)
        axes.set_title(label, fontsize=7)
    grid[-1].set_xlabel("time [ms]")
    right.supylabel("V [mV]")
    return figure


@styled
def three(a: dict[str, Array], prior: Prior) -> Figure:
    """Appendix 8: all parameters given 1, 4 and 7 features."""
    figure = _draw.sheet(150)
    _draw.pairs(figure, prior, _by_features(a), truth=a["truth"], image=2, masses=(0.68,))
    return figure


@styled
def evolved(a: dict[str, Array], prior: Prior) -> Figure:
    """Appendix 10: the posterior with IBEA's best individuals, their traces and features."""
    figure = _draw.sheet(165)
    top, bottom = figure.subfigures(2, 1, height_ratios=[2.3, 1])
    draws = {"one round": (a["npe7.draws"], PURPLE)}
    _draw.pairs(top, prior, draws, truth=a["truth"], extra=a["ibea.best"], image=0, masses=(0.68,))
    left, right = bottom.subplots(1, 2)
    shown = {"observation": (a["observed"], GREEN), "mode": (_thin(a["npe7.mode_trace"][0], a), PURPLE)}
    trace_colours(left, a, shown | {"IBEA": (_thin(a["ibea.best_trace"][0], a), ORANGE)})
    features = {"observation": (a["seen"], GREEN), "mode": (a["npe7.mode_x"], PURPLE)}
    bars(right, a, features | {"IBEA": (a["ibea.best_x"], ORANGE)})
    return figure
