"""Lueckmann et al. 2017, figure 3A to D: Hodgkin-Huxley neuron of 12 parameters, SNPE-B against IBEA."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.inference import Budget
from hhfit.plots import styled
from hhfit.prior import Prior
from hhfit.reproduce import _draw
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._neurons import Neuron, observed, strict_features, synthetic
from hhfit.reproduce._predictions import PREDICTED, predicted, thin
from hhfit.reproduce._work import Parts, Work

X_O = "7, 0.9658, ..., -69.289, -52.337, 452.5, 3.1818e4, ..., 2.0507e14"
ROUNDS, MORE = 5, 8
"""Rounds of the paper's method and, at full budget, of TSNPE."""
DRAWS = 10_000
LABELS = {"snpe_b": "SNPE (SNPE-B)", "tsnpe": "TSNPE (modern)"}


def infer(work: Work, neuron: Neuron, x_o: Array, method: str, n: int) -> Parts:
    """Draws of a posterior with its convergence; the best individuals for IBEA."""
    settings: dict[str, Any] = {"offspring": n // ROUNDS, "best": 10}
    if method == "snpe_b":
        settings = {"components": 2, "epochs": work.size(150, 200), "defensive": 0.0, "pull": 1.0, "freedom": np.inf}
    elif method == "tsnpe":
        settings = {"members": work.size(1, 2), "steps": work.size(2500, 6000), "steps_between": work.size(800, 1500)}
    budget = Budget(n, work.size(ROUNDS, MORE) if method == "tsnpe" else ROUNDS)
    fitted = work.fit(method, method, neuron.prior, neuron.simulate, x_o, budget, seed=1, **settings)
    if method == "ibea":
        return {"best": fitted.journal.arrays["round-01"]["theta"], "n": fitted.log("simulations")[0]}
    draws = fitted.posterior.sample(DRAWS, 1)
    extra = {"weights_effective": fitted.log("effective_sample_size"), "leaked": fitted.log("leaked_mass")}
    return {"draws": draws, "n": np.array(n)} | extra


def shell(draws: Array, seed: int) -> tuple[Array, Array]:
    """The mean and three samples m + S u of log parameters, S the covariance and not its root, as in the code."""
    logs = np.log(draws)
    mean, covariance = logs.mean(axis=0), np.cov(logs.T)
    u = np.random.default_rng(seed).standard_normal((3, len(mean)))
    return np.exp(mean), np.exp(mean + (u / np.linalg.norm(u, axis=1, keepdims=True)) @ covariance)


def traces_of(neuron: Neuron, draws: Array) -> Parts:
    """Traces at the mean and at three samples, and features of 100 draws."""
    centre, samples = shell(draws, 230)
    return {
        "mean_trace": thin(neuron.traces(centre[None], PREDICTED).response[0, 0]),
        "sample_traces": thin(neuron.traces(samples, PREDICTED + 230).response[:, 0]),
        "predicted": predicted(neuron, draws[:100]),
    }


def run(work: Work) -> Result:
    """SNPE-B, TSNPE and IBEA with the same number of simulations."""
    neuron, n = synthetic("lueckmann2017", "lueckmann2017", work.seed), work.size(5000, 25_000)
    response = observed(neuron, neuron.truth, 1)
    x_o = neuron.extract(response)[0]
    arrays: dict[str, Array] = {"truth": neuron.truth, "x_o": x_o, "strict": strict_features(neuron, response)}
    arrays |= {"observed": thin(response[0, 0]), "command": thin(neuron.protocol.command[0])}
    arrays["time"] = thin(neuron.protocol.time)
    for method in ("snpe_b", "tsnpe", "ibea"):
        found = work.part(method, lambda m=method: infer(work, neuron, x_o, m, n))
        arrays |= {f"{method}.{key}": value for key, value in found.items()}
    for method in LABELS:
        draws = arrays[f"{method}.draws"]
        found = work.part(f"{method}-traces", lambda d=draws: traces_of(neuron, d))
        arrays |= {f"{method}.{key}": value for key, value in found.items()}
    caption = (
        f"Twelve parameters, log-uniform priors 0.5 to 1.5 times the truth, 20 features, {n:,} simulations for every "
        "method; x_o from the paper's noise stream (seed 1). SNPE-B: 5 rounds, 2 Gaussians, 50 units, as in the "
        f"scripts, TSNPE: {work.size(ROUNDS, MORE)} rounds; SNPE-B's epochs and the printed settings were not found. "
        "IBEA: 20 objectives in robust sds of its first generation (the paper: in sds of 1000 pilots). All in "
        "logarithms of the parameters."
    )
    return Result(caption, _rows(arrays, neuron.prior), arrays)


def errors(arrays: dict[str, Array], method: str) -> Array:
    """Distances from the truth in sds of SNPE-B, in logarithms, shape ``(12,)``."""
    logs = np.log(arrays["truth"])
    at = np.log(arrays["ibea.best"][0]) if method == "ibea" else np.log(arrays[f"{method}.draws"]).mean(axis=0)
    return np.abs(at - logs) / np.log(arrays["snpe_b.draws"]).std(axis=0)


def narrowing(draws: Array, prior: Prior) -> Array:
    """Posterior sds over prior sds, in logarithms, shape ``(P,)``."""
    low, high = np.log(prior.interval).T
    return np.log(draws).std(axis=0) / ((high - low) / np.sqrt(12))


def _rows(a: dict[str, Array], prior: Prior) -> tuple[Row, ...]:
    paper = [7, 0.9658, 0.8881, 0.7910, 0.6852, 0.5778, 0.4745, 0.3793, 0.2944, 0.2203, 0.1569]
    paper += [-69.289, -52.337, 452.5, 3.1818e4, 2.8468e6, 2.5567e8, 2.3486e10, 2.1843e12, 2.0507e14]
    off = float(np.abs(a["strict"] / paper - 1).max())
    lines = [judged("x_o, largest relative difference", f"{X_O} (recomputed)", f"{off:.1e}", off < 2e-4)]
    for method, label in LABELS.items():
        ratio = narrowing(a[f"{method}.draws"], prior)
        text = f"{int((ratio < 1).sum())}, {ratio.min():.2f} to {ratio.max():.2f}"
        lines.append(
            judged(f"{label}: parameters narrower than the prior; sd ratios", "12", text, bool((ratio < 1).all()))
        )
        spikes = a[f"{method}.predicted"][:, 0]
        text = f"{np.nanmean(spikes):.1f} +- {np.nanstd(spikes):.1f}"
        lines.append(
            judged(f"{label}: predicted spikes", "7 observed, within 1 (ours)", text, abs(np.nanmean(spikes) - 7) <= 1)
        )
        far = np.abs(np.log(a[f"{method}.draws"]).mean(axis=0) - np.log(a["truth"])) / np.log(a[f"{method}.draws"]).std(
            axis=0
        )
        lines.append(Row(f"{label}: largest distance of the truth, in its own sds", "-", f"{far.max():.2f}"))
    snpe, ibea, new = (errors(a, method) for method in ("snpe_b", "ibea", "tsnpe"))
    text = f"{int((snpe < ibea).sum())} of 12; mean error {snpe.mean():.2f} against {ibea.mean():.2f} sd"
    lines.append(
        judged(
            "SNPE-B closer to the truth than IBEA's best", "most of 12 (bars of D)", text, bool((snpe < ibea).sum() > 6)
        )
    )
    lines.append(Row("TSNPE: mean error in sds of SNPE-B", "-", f"{new.mean():.2f}"))
    return tuple(lines)


@styled
def _drawn(a: dict[str, Array], prior: Prior) -> Figure:
    figure = _draw.sheet(95)
    top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.1])
    left, right = top.subfigures(1, 2, width_ratios=[1.3, 1])
    voltage(left, a, "observed")
    few = Prior(prior.names[:3], prior.units[:3], prior.marginals[:3])
    _draw.pairs(right, few, posteriors(a, 3), truth=a["truth"][:3], image=0, logs=True)
    traces, bars = bottom.subplots(1, 2, width_ratios=[1, 1.2])
    predictions(traces, a, "snpe_b")
    _bars(bars, a, prior)
    return figure


def voltage(home: Any, a: dict[str, Array], name: str) -> None:  # noqa: ANN401 - Figure or SubFigure
    """Observed trace with the current below."""
    upper, lower = home.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    upper.plot(a["time"], a[name], color=_draw.TRUTH, lw=0.7)
    upper.set(ylabel="V [mV]", yticks=[-80, -20, 40])
    lower.plot(a["time"], a["command"] / 1000, color=_draw.CDE)
    lower.set(xlabel="time [ms]", ylabel="I [nA]")


def predictions(axes: Axes, a: dict[str, Array], method: str) -> None:
    """Observation, trace at the mean and three samples."""
    axes.plot(a["time"], a["observed"], color=_draw.TRUTH, lw=0.8, label="observation")
    axes.plot(a["time"], a[f"{method}.mean_trace"], color=_draw.SNPE, lw=0.7, label="posterior mean")
    for k, trace in enumerate(a[f"{method}.sample_traces"]):
        axes.plot(a["time"], trace, color=_draw.EXACT, lw=0.5, alpha=0.8, label="samples" if k == 0 else None)
    axes.set(xlabel="time [ms]", ylabel="V [mV]")
    axes.legend(fontsize=6, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)


def _bars(axes: Axes, a: dict[str, Array], prior: Prior) -> None:
    order = np.argsort(-errors(a, "ibea"))
    methods = (("snpe_b", _draw.SNPE, "SNPE"), ("ibea", _draw.IBEA, "IBEA"), ("tsnpe", _draw.MODERN, "TSNPE"))
    for shift, (method, colour, label) in zip((-0.28, 0.0, 0.28), methods, strict=True):
        axes.bar(np.arange(12) + shift, errors(a, method)[order], 0.26, color=colour, label=label)
    axes.set_xticks(range(12), [prior.names[p] for p in order], rotation=60, ha="right", fontsize=6)
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_ylim(0, None)
    axes.set_ylabel("|estimate - truth| / sd of SNPE")
    axes.legend(fontsize=6)


def posteriors(a: dict[str, Array], parameters: int) -> dict[str, tuple[Array, _draw.Colour]]:
    """The first parameters of both posteriors, with their colours."""
    colours = {"snpe_b": _draw.SNPE, "tsnpe": _draw.MODERN}
    return {LABELS[method]: (a[f"{method}.draws"][:, :parameters], colour) for method, colour in colours.items()}


@styled
def full(a: dict[str, Array], prior: Prior) -> Figure:
    """All twelve parameters against each other: the supplementary figure."""
    figure = _draw.sheet(190, 200)
    truth = a.get("truth")
    _draw.pairs(figure, prior, posteriors(a, prior.n_parameters), truth=truth, image=0, logs=True)
    return figure


def draw(result: Result) -> dict[str, Figure]:
    """The figure and the supplementary full posterior."""
    prior = synthetic("lueckmann2017", "lueckmann2017", 0).prior
    return {"3a": _drawn(dict(result.arrays), prior), "3a_full": full(dict(result.arrays), prior)}
