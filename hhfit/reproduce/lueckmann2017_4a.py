"""Lueckmann et al. 2017, figure 4A and B: failed simulations of an autapse."""

import numpy as np
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.inference import Budget
from hhfit.plots import styled
from hhfit.reproduce import _draw
from hhfit.reproduce._autapse import ONE, TWO, Autapse
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._predictions import thin
from hhfit.reproduce._work import Parts, Work
from hhfit.simulations import Simulations

ROUNDS = 10
VERSIONS = {"one": ONE, "two": TWO}
SAID = {"one": "one parameter (10 May 2017)", "two": "two parameters (at submission)"}
FIRST = {"one": 0.39, "two": 0.49}
"""Share of failed simulations in the first round, recomputed from the paper's code."""


def run(work: Work) -> Result:
    """SNPE-B and TSNPE in ten rounds for both versions of the model."""
    arrays: dict[str, Array] = {}
    n = work.size(500, 2000)
    for name, model in VERSIONS.items():
        for method in ("snpe_b", "tsnpe"):
            found = work.part(f"{name}-{method}", lambda m=method, a=model: _rounds(work, a, m, n))
            arrays |= {f"{name}.{method}.{key}": value for key, value in found.items()}
    traces = [ONE.run(np.array([[gain]]), np.random.default_rng(1))[0] for gain in (0.98, 1.1)]
    arrays |= {"good": thin(traces[0]), "bad": thin(traces[1]), "end": np.array([trace[-1] for trace in traces])}
    caption = (
        f"Share of failed simulations in {ROUNDS} rounds of {n} with one Gaussian and 50 units. Which version of the "
        "model is printed was not found: both are shown, one parameter (bad: last value above 100) and two (bad: last "
        "value beyond 1000, tau may be negative). The observation is a simulation of the truth. The estimator of the "
        "paper's classifier was not found."
    )
    return Result(caption, _rows(arrays), arrays)


def _rounds(work: Work, model: Autapse, method: str, n: int) -> Parts:
    """Share of failed simulations in every round."""
    shares: list[float] = []

    def simulate(theta: Array, first: int) -> Simulations:
        rows = model.simulate(theta, first)
        shares.append(float((~rows.usable).mean()))
        return rows

    x_o = model.simulate(model.truth[None], 3).x[0]
    settings = {"components": 1, "svi": False, "defensive": 0.0, "epochs": work.size(60, 100)}
    if method == "tsnpe":
        settings = {"members": 1, "steps": 1000, "steps_between": 300}
    fitted = work.fit(
        f"{len(model.truth)}, {method}",
        method,
        model.prior,
        simulate,
        x_o,
        Budget(n * ROUNDS, ROUNDS),
        seed=3,
        **settings,
    )
    return {"shares": np.array(shares), "draws": fitted.posterior.sample(4000, 1)}


def _rows(a: dict[str, Array]) -> tuple[Row, ...]:
    lines = []
    for name, said in SAID.items():
        share = a[f"{name}.snpe_b.shares"]
        good = abs(share[0] - FIRST[name]) <= 0.02 + 2 * np.sqrt(0.25 / 2000)
        lines.append(judged(f"failed in round 1, {said}", f"{FIRST[name]} +- 0.02", f"{share[0]:.3f}", bool(good)))
        text = f"{share[0]:.2f} to {share[-3:].mean():.2f}"
        falls = bool(share[-3:].mean() < share[0])
        lines.append(judged(f"SNPE-B, rounds 1 and 8 to 10, {said}", "falls with rounds", text, falls))
        new = a[f"{name}.tsnpe.shares"]
        lines.append(
            Row(f"TSNPE (modern), rounds 1 and 8 to 10, {said}", "-", f"{new[0]:.2f} to {new[-3:].mean():.2f}")
        )
    peak, end = a["good"].max(), a["end"]
    lines.append(
        Row(
            "rate at J = 0.98: peak, end; at J = 1.1: end",
            "46, 38; 9e5 (other noise)",
            f"{peak:.0f}, {end[0]:.0f}; {end[1]:.1e}",
        )
    )
    return tuple(lines)


@styled
def _drawn(a: dict[str, Array]) -> Figure:
    figure = _draw.sheet(35, 130)
    left, *others = figure.subplots(1, 3)
    at = np.linspace(0, 120, len(a["good"]))
    left.semilogy(at, np.maximum(a["good"], 1e-2), color=_draw.TRUTH, lw=0.7, label="observed data")
    left.semilogy(at, np.maximum(a["bad"], 1e-2), color=_draw.CDE, lw=0.7, label="bad simulation")
    left.set(xlabel="time [ms]", ylabel="rate [Hz]", ylim=(0.1, 1e4))
    left.legend(fontsize=6)
    for axes, name in zip(others, SAID, strict=True):
        for method, colour, label in (("snpe_b", "black", "baseline"), ("tsnpe", _draw.MODERN, "TSNPE")):
            share = 100 * a[f"{name}.{method}.shares"]
            axes.plot(np.arange(1, ROUNDS + 1), share, "o-", ms=2, color=colour, label=label)
        axes.set(xlabel="round", ylabel="% bad simulations", ylim=(0, 80))
        axes.set_title(SAID[name], fontsize=7)
        axes.legend(fontsize=6)
    return figure


def draw(result: Result) -> dict[str, Figure]:
    """The figure."""
    return {"4a": _drawn(dict(result.arrays))}
