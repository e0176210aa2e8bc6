"""Lueckmann et al. 2017, figure 2B: the Gaussian projection of SNPE-A sits where a bimodal posterior is empty."""

import numpy as np
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.errors import InferenceError
from hhfit.inference import Budget
from hhfit.inference._mixtures import Layout
from hhfit.plots import styled
from hhfit.references import Mixture, box
from hhfit.reproduce import _draw
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._networks import conditional, density_of, proposal_of
from hhfit.reproduce._work import Parts, Work

X_O = np.array([5.0])
_THETA = np.linspace(-13, 13, 521)[:, None]
_X = np.linspace(0, 8, 81)[:, None]


def run(work: Work) -> Result:
    """SNPE-A and SNPE-B with three rounds of 250 simulations, and a network for every x."""
    fork = Mixture(box(1, 10.0), (1.0, -1.0), (1.0, 1.0))
    epochs = work.size(600, 1500)
    image = work.part("mdn", lambda: _image(work, fork))
    parts = {name: work.part(name, lambda n=name: _three(work, fork, n, epochs)) for name in ("snpe_a", "snpe_b")}
    parts["tsnpe"] = work.part("tsnpe", lambda: _modern(work, fork))
    arrays = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.items()} | image
    arrays |= {"theta": _THETA[:, 0], "x": _X[:, 0], "exact": np.exp(fork.log_likelihood(_THETA, X_O))}
    caption = (
        "x = theta or -theta in equal parts, with noise of variance 1; prior U(-10, 10), x_o = 5. Three rounds of 250 "
        f"simulations, seed {1 + work.seed} of the method; {epochs} epochs (those of the paper were not found). "
        "Dotted: proposal of round 2, dashed: of round 3. SNPE-B with 1, 2, 2 Gaussians as in the scripts; what the "
        "printed panel used was not found."
    )
    return Result(caption, _rows(arrays), arrays)


def _image(work: Work, fork: Mixture) -> Parts:
    n, layout = work.size(3000, 10_000), Layout(1, 1, 2, (20,))
    settings = {"components": 2, "hidden": (20,), "epochs": 100}
    fitted = work.fit("MDN", "snpe_a", fork.prior, fork.simulate, X_O, Budget(n), seed=1, **settings)
    inside = np.linspace(-10, 10, 201)[:, None]
    return {"image": conditional(fitted.journal.arrays["round-01"], fork.prior, layout, _X, inside)}


def _three(work: Work, fork: Mixture, method: str, epochs: int) -> Parts:
    """Proposals and posterior of three rounds; NaN from where the division failed."""
    settings = {"components": 2, "hidden": (20,), "epochs": epochs, "batch": 50, "pull": 0.1}
    if method == "snpe_b":
        settings |= {"singles": 1, "defensive": 0.0, "freedom": np.inf}
    found = np.full((3, len(_THETA)), np.nan)
    draws = np.full((4000, 1), np.nan)
    for attempt in range(10):
        try:
            fitted = work.fit(
                method, method, fork.prior, fork.simulate, X_O, Budget(750, 3, 250), seed=1 + 100 * attempt, **settings
            )
        except InferenceError:
            continue
        rounds = [fitted.journal.arrays[f"round-{r:02d}"] for r in (1, 2, 3)]
        shape = proposal_of if method == "snpe_a" else density_of
        found[:2] = [shape(arrays, fork.prior, _THETA) for arrays in rounds[:2]]
        found[2] = np.exp(fitted.posterior.log_prob(_THETA))
        draws = fitted.posterior.sample(4000, 1)
        break
    return {"lines": found, "draws": draws, "failures": np.array(attempt)}


def _modern(work: Work, fork: Mixture) -> Parts:
    settings = {"members": work.size(1, 3), "steps": work.size(1500, 6000), "steps_between": work.size(800, 3000)}
    fitted = work.fit("TSNPE", "tsnpe", fork.prior, fork.simulate, X_O, Budget(750, 3), seed=1, **settings)
    return {"draws": fitted.posterior.sample(4000, 1), "line": np.exp(fitted.posterior.log_prob(_THETA))}


def _rows(a: dict[str, Array]) -> tuple[Row, ...]:
    lines = [
        Row("peak of the exact posterior", "0.1995", f"{a['exact'].max() / np.trapezoid(a['exact'], a['theta']):.4f}")
    ]
    for name, label in (("snpe_b", "SNPE-B"), ("tsnpe", "TSNPE (modern)")):
        draws = a[f"{name}.draws"][:, 0]
        share, modes = float((draws > 0).mean()), [float(draws[draws > 0].mean()), float(draws[draws < 0].mean())]
        text = f"{modes[0]:.2f} and {modes[1]:.2f}, {100 * share:.0f} % of the mass above 0"
        good = 0.3 < share < 0.7 and abs(modes[0] - 5) < 0.75 and abs(modes[1] + 5) < 0.75
        lines.append(judged(f"{label}: modes and their mass", "5 and -5, about equal mass", text, good))
    middle = [float(a[f"{name}.lines"][1][len(a["theta"]) // 2]) for name in ("snpe_a", "snpe_b")]
    text = f"{middle[0]:.3f} and {middle[1]:.3f}"
    lines.append(
        judged(
            "density of the third round's proposal at 0, SNPE-A and SNPE-B", "high and low", text, middle[0] > middle[1]
        )
    )
    lines.append(Row("SNPE-A runs that failed before one completed", "-", str(int(a["snpe_a.failures"]))))
    return tuple(lines)


@styled
def _drawn(a: dict[str, Array]) -> Figure:
    figure = _draw.sheet(34, 120)
    left, middle, right = figure.subplots(1, 3)
    left.imshow(a["image"], origin="lower", aspect="auto", extent=(0, 8, -10, 10), cmap=_draw.MAP)
    left.axvline(5, color="white", ls="--", lw=0.9)
    left.set(xlabel="x", ylabel="theta", title="MDN")
    for axes, name, colour in ((middle, "snpe_a", _draw.CDE), (right, "snpe_b", _draw.SNPE)):
        axes.plot(
            a["theta"], a["exact"] / np.trapezoid(a["exact"], a["theta"]), color=_draw.TRUE_POSTERIOR, label="true"
        )
        for row, style in enumerate((":", "--", "-")):
            axes.plot(a["theta"], a[f"{name}.lines"][row], style, color=colour)
        axes.set(xlim=(-13, 13), ylim=(0, 0.28), xlabel="theta")
    right.plot(a["theta"], a["tsnpe.line"], color=_draw.MODERN, lw=0.8, label="TSNPE")
    right.legend(fontsize=5.5, loc="center")
    middle.set_title("CDE-LFI")
    right.set_title("SNPE")
    return figure


def draw(result: Result) -> dict[str, Figure]:
    """The figure."""
    return {"2b": _drawn(dict(result.arrays))}
