"""Lueckmann et al. 2017, figure 4C and its supplement: features that are undefined, and what stands in for them."""

import numpy as np
from matplotlib.figure import Figure

from hhfit import extractors
from hhfit.arrays import Array
from hhfit.inference import Budget
from hhfit.inference._mixture_rounds import Scores
from hhfit.plots import styled
from hhfit.prior import Marginal
from hhfit.reproduce import _draw
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._neurons import Neuron, observed, synthetic
from hhfit.reproduce._predictions import thin
from hhfit.reproduce._work import Parts, Work

ONSET = 10.0
"""Onset of the stimulus [ms]: the paper counts latency from the start of the trace."""


def run(work: Work) -> Result:
    """Two traces of the paper, and SNPE-B on seven features of which some are undefined."""
    plain = synthetic("lueckmann2017", "lueckmann2017", work.seed)
    arrays = {"time": thin(plain.protocol.time), "command": thin(plain.protocol.command[0])}
    low, high = np.log(plain.prior.interval).T
    z = np.random.RandomState(123).rand(12)
    for name, factor in (("spiking", 1.0), ("silent", 0.9)):
        theta = np.exp(factor * (low + z * (high - low)))
        response = observed(plain, theta, 230)
        arrays |= {name: thin(response[0, 0]), f"{name}.spikes": plain.extract(response)[0, 0]}
        arrays[f"{name}.range"] = np.array([response[..., 1000:11_000].min(), response[..., 1000:11_000].max()])
    neuron = Neuron(
        plain.model.with_priors({q: _linear(plain, q) for q in plain.prior.names}),
        plain.protocol,
        extractors.load("lueckmann2017_handcrafted"),
        work.seed,
    )
    arrays |= work.part("snpe_b", lambda: _imputed(work, neuron))
    caption = (
        "Left: two parameter sets of the prior, the paper's noise stream; one has no spike and thus no latency. Right: "
        "latency against rate in simulations of the linear prior 0.5 to 1.5; what SNPE-B's network puts in place "
        "of an undefined latency, and the mean of those defined. Ours has the seven features of hhfit's set, undefined "
        "where the paper's are; the accommodation index is undefined below three spikes where the paper has 1000. "
        "Panel D is a drawing of that layer."
    )
    return Result(caption, _rows(arrays), arrays)


def _linear(neuron: Neuron, name: str) -> Marginal:
    value = neuron.model.quantities[name].value
    return Marginal("uniform", 0.5 * value, 1.5 * value)


def _imputed(work: Work, neuron: Neuron) -> Parts:
    n = work.size(2000, 25_000)
    truth = neuron.traces(neuron.truth[None], 122).response
    x_o = neuron.extract(truth)[0]
    settings = {"components": 2, "epochs": work.size(60, 200), "defensive": 0.0, "freedom": np.inf}
    fitted = work.fit("SNPE-B", "snpe_b", neuron.prior, neuron.simulate, x_o, Budget(n, 5), seed=122, **settings)
    kept = fitted.journal.arrays["round-05"]
    scores = Scores.from_arrays(kept)
    value = scores.mean + scores.sd * kept["net.m.missing"][0]
    x = neuron.simulate(neuron.prior.sample(500, 5), 10**8).x
    draws = fitted.posterior.sample(5000, 1)
    mean = Scores.from_arrays(fitted.journal.arrays["round-01"]).mean
    return {"imputed": value, "mean": mean, "x": x, "draws": draws, "truth": neuron.truth}


def _rows(a: dict[str, Array]) -> tuple[Row, ...]:
    low, high = a["silent.range"]
    missing = float(np.isnan(a["x"][:, 1]).mean())
    text = f"{a['imputed'][1] + ONSET:.1f} against {a['mean'][1] + ONSET:.1f}"
    off = np.abs(a["draws"].mean(axis=0) - a["truth"]) / a["draws"].std(axis=0)
    return (
        judged("spikes of the first trace", "3", f"{a['spiking.spikes']:.0f}", bool(a["spiking.spikes"] == 3)),
        judged("spikes of the second trace", "0", f"{a['silent.spikes']:.0f}", bool(a["silent.spikes"] == 0)),
        Row(
            "its potential during the stimulus [mV]",
            "-46.6 to -24.1 (other order of gates)",
            f"{low:.1f} to {high:.1f}",
        ),
        Row("simulations of the prior without latency", "-", f"{100 * missing:.0f} %"),
        Row(
            "latency that stands in for an undefined one, against the mean [ms]",
            "19.6 against 18.5 (stored figure)",
            text,
        ),
        judged(
            "largest distance of the truth, in posterior sds", "below 3 (ours)", f"{off.max():.2f}", bool(off.max() < 3)
        ),
    )


@styled
def _drawn(a: dict[str, Array]) -> Figure:
    figure = _draw.sheet(40, 120)
    left, right = figure.subfigures(1, 2)
    upper, lower = left.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    upper.plot(a["time"], a["spiking"], color=_draw.CDE, lw=0.7)
    upper.plot(a["time"], a["silent"], color=_draw.TRUTH, lw=0.9)
    upper.set_ylabel("V [mV]")
    lower.plot(a["time"], a["command"] / 1000, color=_draw.CDE)
    lower.set(xlabel="time [ms]", ylabel="I [nA]")
    axes = right.subplots()
    axes.plot(a["x"][:, 1] + ONSET, 10 * a["x"][:, 0], ".", ms=3, color=_draw.CDE)
    axes.axvline(a["imputed"][1] + ONSET, color=_draw.SNPE, label="learned value")
    axes.axvline(a["mean"][1] + ONSET, color="black", ls="--", label="mean")
    axes.set(xlabel="AP latency [ms]", ylabel="firing rate [Hz]", xlim=(10, 60))
    axes.legend(fontsize=6)
    return figure


def draw(result: Result) -> dict[str, Figure]:
    """The figure."""
    return {"4c": _drawn(dict(result.arrays))}
