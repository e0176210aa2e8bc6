"""Lueckmann et al. 2017, figure 5: a recurrent network on the trace, 60 and 240 ms of coloured noise."""

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.inference import Budget
from hhfit.plots import styled
from hhfit.prior import Prior
from hhfit.reproduce import _draw
from hhfit.reproduce._coloured import OBSERVED_SEED, neuron
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._neurons import observed, synthetic
from hhfit.reproduce._predictions import thin
from hhfit.reproduce._work import Parts, Work

DURATIONS = (60.0, 240.0)
FEATURES = "lueckmann2017_recurrent"
STRIDE = 10
"""Samples that the network takes in at a time, where the paper's takes one: ten times as fast."""
SPIKES = {60.0: 0, 240.0: 5}
INFORMED = 0.9
"""A marginal whose sd is below this share of the prior's is informed by the trace."""
LIGHT, DARK = "#9ecae1", "#08519c"


def run(work: Work) -> Result:
    """One round of simulations for each duration."""
    n = work.size(4000, 25_000)
    arrays: dict[str, Array] = {}
    for duration in DURATIONS:
        found = work.part(f"{duration:g}ms", lambda d=duration: _fit(work, d, n))
        arrays |= {f"{duration:g}.{key}": value for key, value in found.items()}
    cell = neuron(60.0, FEATURES, 0)
    arrays["truth"] = cell.truth
    caption = (
        f"Twelve parameters, log-uniform priors; the network reads potential and current every 0.2 ms, {STRIDE} "
        "samples at a time (the paper: one), and the potential at rest, from which all others are taken (the paper: "
        f"as they are); {n:,} simulations in one round. Every simulation begins at E_leak. "
        "Abscissas are the prior's ranges, logarithmic. Input and observations are the paper's (seeds 3 and 42); the "
        "observation of 60 ms is a simulation of its own. The density is a mixture of spline flows, that of the paper "
        "one Gaussian; the settings of the printed panel were not found. Panel B is a drawing of the network."
    )
    return Result(caption, _rows(arrays, cell.prior), arrays)


def _fit(work: Work, duration: float, n: int) -> Parts:
    cell = neuron(duration, FEATURES, work.seed)
    response = observed(cell, cell.truth, OBSERVED_SEED)
    settings: dict[str, Any] = {"members": work.size(1, 2), "steps": work.size(1000, 6000)}
    settings["sampled"] = replace(cell.features.sampled(cell.protocol), stride=STRIDE)
    fitted = work.fit(
        f"{duration:g} ms", "npe", cell.prior, cell.simulate, cell.extract(response)[0], Budget(n), seed=2, **settings
    )
    counts = neuron(duration, "lueckmann2017", 0).extract(response)[0]
    shown = {"trace": thin(response[0, 0]), "time": thin(cell.protocol.time), "command": thin(cell.protocol.command[0])}
    return shown | {"draws": fitted.posterior.sample(10_000, 1), "spikes": counts[0]}


def ratios(arrays: dict[str, Array], prior: Prior, duration: float) -> Array:
    """Posterior sds over prior sds, in logarithms, shape ``(12,)``."""
    low, high = np.log(prior.interval).T
    return np.log(arrays[f"{duration:g}.draws"]).std(axis=0) / ((high - low) / np.sqrt(12))


def _rows(a: dict[str, Array], prior: Prior) -> tuple[Row, ...]:
    lines = []
    for duration in DURATIONS:
        spikes = float(a[f"{duration:g}.spikes"])
        good = spikes == SPIKES[duration]
        lines.append(
            judged(f"spikes of the observation of {duration:g} ms", str(SPIKES[duration]), f"{spikes:.0f}", good)
        )
    short, long = (ratios(a, prior, duration) for duration in DURATIONS)
    informed = short < INFORMED
    text = f"{int((long < short)[informed].sum())} of {int(informed.sum())}"
    good = bool(informed.any() and (long < short)[informed].all())
    lines.append(
        judged("marginals that 60 ms inform (sd below 0.9 of the prior's) and narrower at 240 ms", "all", text, good)
    )
    lines.append(Row("mean sd over prior sd, 60 and 240 ms", "falls", f"{short.mean():.2f}, {long.mean():.2f}"))
    off = np.log(a["240.draws"])
    far = np.abs(off.mean(axis=0) - np.log(a["truth"])) / off.std(axis=0)
    lines.append(
        judged(
            "240 ms: largest distance of the truth, in sds", "below 3 (ours)", f"{far.max():.2f}", bool(far.max() < 3)
        )
    )
    return tuple(lines)


@styled
def _drawn(a: dict[str, Array], prior: Prior) -> Figure:
    figure = _draw.sheet(60)
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.6])
    upper, lower = left.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot(a["240.time"], a["240.trace"], color=DARK, lw=0.7, label="240 ms")
    upper.plot(a["60.time"], a["60.trace"], color=LIGHT, lw=1.0, label="60 ms")
    upper.set_ylabel("V [mV]")
    upper.legend(fontsize=6, loc="upper left")
    lower.plot(a["240.time"], a["240.command"] / 1000, color=_draw.CDE, lw=0.5)
    lower.set(xlabel="time [ms]", ylabel="I [nA]")
    for p, axes in enumerate(right.subplots(3, 4).ravel()):
        low, high = np.log(prior.interval[p])
        for duration, colour in zip(DURATIONS, (LIGHT, DARK), strict=True):
            _draw.density(axes, np.log(a[f"{duration:g}.draws"][:, p]), low, high, colour)
        axes.axvline(np.log(a["truth"][p]), color=_draw.TRUE_POSTERIOR, lw=0.9)
        axes.set_xticks([])
        axes.set_title(prior.names[p], fontsize=6.5)
    return figure


def draw(result: Result) -> dict[str, Figure]:
    """The figure."""
    prior = synthetic("lueckmann2017", "lueckmann2017", 0).prior
    return {"5": _drawn(dict(result.arrays), prior)}
