"""Lueckmann et al. 2017, figure 2C to F: Bernoulli GLM against the exact posterior."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.errors import InferenceError
from hhfit.inference import Budget
from hhfit.plots import styled
from hhfit.prior import Marginal, Prior
from hhfit.reproduce import _draw, _glm
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._work import Parts, Work

LABELS = {"snpe_b": "SNPE-B", "snpe_a": "CDE-LFI (SNPE-A)", "tsnpe": "TSNPE (modern)", "snpe_c": "SNPE-C (modern)"}
COLOURS = {"snpe_b": _draw.SNPE, "snpe_a": _draw.CDE, "tsnpe": _draw.MODERN, "snpe_c": _draw.IBEA}
DRAWS = 20_000


def run(work: Work) -> Result:
    """All methods and the exact posterior under the same prior."""
    seen = _glm.camera_ready()
    exact = work.part("exact", lambda: {"draws": seen.problem.sample(seen.x_o, DRAWS, work.seed)})["draws"]
    gibbs = work.part("sampler", lambda: _sampler(seen, work.seed))
    arrays = {"exact.draws": exact, "sampler.draws": gibbs["draws"], "truth": seen.problem.truth}
    for method in LABELS:
        found = work.part(method, lambda m=method: infer(work, seen, m, work.size(5000, 25_000)))
        arrays |= {f"{method}.{key}": value for key, value in found.items()}
    caption = (
        "Ten weights, x_o of the camera-ready notebooks (rebuilt exactly). Exact: importance resampling under SNPE's "
        "own prior; the paper compares with a Gibbs sampler under another prior, shown in the table only. SNPE-B: 5 "
        "rounds, 50 units, one Gaussian; SNPE-A: 3 rounds. Which run is printed, and its epochs, were not found. "
        "In ten dimensions SNPE-B's weights are worth few draws, which limits it; the other methods need no weights. "
        "With heavy-tailed proposals and simulations of all rounds they would be worth thousands, but the network "
        "would have all of the prior to learn, and is then as far off as one that has seen 25,000 simulations of "
        "the prior."
    )
    return Result(caption, _rows(arrays, seen.x_o), arrays)


def _sampler(seen: _glm.Observed, seed: int) -> Parts:
    return {"draws": _glm.sampler_prior(seen.problem).sample(seen.x_o, DRAWS, seed)}


def infer(work: Work, seen: _glm.Observed, method: str, n: int) -> Parts:
    """Draws of one method, NaN where SNPE-A's division fails with five seeds."""
    settings: dict[str, Any] = {"members": work.size(1, 3), "steps": work.size(1500, 8000)}
    settings["steps_between"] = work.size(600, 3000)
    budget, name = Budget(n, 5), method
    if method == "snpe_b":
        settings = {"components": 1, "epochs": work.size(100, 200), "defensive": 0.0, "freedom": np.inf}
    elif method == "snpe_a":
        settings, budget = {"epochs": work.size(100, 200)}, Budget(n * 3 // 5, 3, n // 5)
    elif method == "snpe_c":
        settings, name = {"components": 1, "epochs": work.size(60, 100), "space": "natural"}, "snpe_c_mixture"
    for attempt in range(5):
        try:
            fitted = work.fit(
                LABELS[method],
                name,
                seen.problem.prior,
                seen.problem.simulate,
                seen.x_o,
                budget,
                seed=1 + 100 * attempt,
                **settings,
            )
        except InferenceError:
            continue
        worth = fitted.log("effective_sample_size")
        return {"draws": fitted.posterior.sample(DRAWS, 1), "n": np.array(budget.simulations), "effective": worth}
    return {"draws": np.full((DRAWS, 10), np.nan), "n": np.array(budget.simulations), "effective": np.full(5, np.nan)}


def errors(draws: Array, mean: Array, sd: Array) -> tuple[float, float]:
    """Largest difference of means and of sds."""
    return float(np.abs(draws.mean(axis=0) - mean).max()), float(np.abs(draws.std(axis=0) - sd).max())


def _rows(a: dict[str, Array], x_o: Array) -> tuple[Row, ...]:
    lines = [
        judged(
            "x_o of the camera-ready notebooks",
            "18, 0.131, 5.747, 6.948, 0.992, -0.452, -0.211, -1.676, -2.661, -2.816",
            ", ".join(f"{value:.3f}" for value in x_o),
            bool(np.abs(x_o - [18, 0.131, 5.747, 6.948, 0.992, -0.452, -0.211, -1.676, -2.661, -2.816]).max() < 6e-4),
        )
    ]
    tables = {"sampler": (_glm.SAMPLER_MEAN, _glm.SAMPLER_SD), "exact": (_glm.SAME_MEAN, _glm.SAME_SD)}
    for name, what in (("sampler", "the paper's sampler's prior"), ("exact", "SNPE's prior")):
        mean, sd = errors(a[f"{name}.draws"], *tables[name])
        text = f"{mean:.3f}, {sd:.3f}"
        lines.append(
            judged(
                f"exact posterior under {what}: error of means, sds",
                "0 (recomputed), below 0.02",
                text,
                max(mean, sd) < 0.02,
            )
        )
    centre, width = a["exact.draws"].mean(axis=0), a["exact.draws"].std(axis=0)
    for method, label in LABELS.items():
        mean, sd = errors(a[f"{method}.draws"], centre, width)
        quantity = f"{label}, {int(a[f'{method}.n']):,}: largest error of means, sds"
        if method == "snpe_a":
            lines.append(Row(quantity, "-", f"{mean:.3f}, {sd:.3f}"))
        else:
            lines.append(judged(quantity, "0.05, 0.05", f"{mean:.3f}, {sd:.3f}", max(mean, sd) <= 0.05))
    stored = (np.abs(_glm.STORED_MEAN - centre).max(), np.abs(_glm.STORED_SD - width).max())
    quantity = "SNPE-B by the authors, 25,000, read off a stored figure: largest error of means, sds"
    lines.append(Row(quantity, "-", f"{stored[0]:.3f}, {stored[1]:.3f}"))
    worth = ", ".join(f"{n:.0f}" for n in a["snpe_b.effective"])
    lines.append(Row("SNPE-B: draws that the weights of rounds 1 to 5 are worth", "-", worth))
    return tuple(lines)


@styled
def _drawn(a: dict[str, Array]) -> Figure:
    figure = _draw.sheet(75)
    left, right = figure.subfigures(1, 2, width_ratios=[1.6, 1])
    top, bottom = left.subfigures(2, 1)
    exact = a["exact.draws"]
    for home, method in ((top, "snpe_b"), (bottom, "snpe_a")):
        grid = home.subplots(1, 3, width_ratios=[2.2, 1, 1])
        _means(grid[0], a, method)
        most = np.cov(exact.T).max()
        for axes, draws, label in ((grid[1], exact, "exact"), (grid[2], a[f"{method}.draws"], LABELS[method])):
            axes.imshow(np.cov(draws.T), vmin=0, vmax=most, cmap=_draw.MAP)
            axes.set_title(label, fontsize=7)
            axes.set_xlabel(f"covariance, 0 to {most:.2f}", fontsize=6)
            axes.set_xticks([])
            axes.set_yticks([])
    names = {"exact": ("exact", _draw.EXACT), "SNPE-B": ("snpe_b", _draw.SNPE), "TSNPE": ("tsnpe", _draw.MODERN)}
    posteriors = {label: (a[f"{name}.draws"][:, :3], colour) for label, (name, colour) in names.items()}
    exact = posteriors["exact"][0]
    centre, spread = exact.mean(axis=0), exact.std(axis=0)
    box = Prior(("b0", "h1", "h2"), ("1",) * 3, tuple(_around(c, s) for c, s in zip(centre, spread, strict=True)))
    _draw.pairs(right, box, posteriors, truth=a["truth"][:3])
    return figure


def _around(centre: float, sd: float) -> Marginal:
    return Marginal("uniform", centre - 4 * sd, centre + 4 * sd)


def _means(axes: Axes, a: dict[str, Array], method: str) -> None:
    at = np.arange(1, 11)
    for shift, name, colour in (
        (-0.2, method, COLOURS[method]),
        (0.0, "exact", _draw.EXACT),
        (0.2, "tsnpe", _draw.MODERN),
    ):
        draws = a[f"{name}.draws"]
        label = LABELS.get(name, "exact")
        _draw.error_bars(axes, at + shift, draws.mean(axis=0), draws.std(axis=0), colour, label)
    axes.plot(at, a["truth"], "_", color=_draw.TRUE_POSTERIOR, ms=9, label="truth")
    axes.set(xlabel="parameter", ylabel="mean ± 2 sd")
    axes.set_xticks(at)
    axes.legend(fontsize=5.5)


def draw(result: Result) -> dict[str, Figure]:
    """The figure."""
    return {"2c": _drawn(dict(result.arrays))}
