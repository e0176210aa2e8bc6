"""Lueckmann et al. 2017, figure 1B: a toy regression, with one consistent model."""

import numpy as np
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.inference import Budget
from hhfit.inference._mixtures import Layout
from hhfit.plots import styled
from hhfit.reproduce import _draw
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._networks import conditional, density_of
from hhfit.reproduce._toys import CubeRoot
from hhfit.reproduce._work import Parts, Work

X_O = 1.27769


def run(work: Work) -> Result:
    """SNPE-B in three rounds against the exact posterior."""
    toy, x_o = CubeRoot.of_paper(), np.array([X_O])
    theta, x = np.linspace(-4, 12, 321)[:, None], np.linspace(0.0, np.sqrt(10.0), 60)[:, None]
    layout = Layout(1, 1, 2, (50,))

    def snpe_b() -> Parts:
        budget = Budget(work.size(1500, 15_000), 3)
        settings = {
            "components": 2,
            "hidden": (50,),
            "epochs": work.size(150, 100),
            "defensive": 0.0,
            "freedom": np.inf,
        }
        fitted = work.fit("SNPE-B", "snpe_b", toy.prior, toy.simulate, x_o, budget, seed=1, **settings)
        draws = fitted.posterior.sample(20_000, 1)
        rounds = fitted.journal.arrays
        image = conditional(rounds["round-03"], toy.prior, layout, x, theta)
        found = {"draws": draws, "density": np.exp(fitted.posterior.log_prob(theta)), "image": image}
        return found | {"proposal": density_of(rounds["round-02"], toy.prior, theta)}

    def modern() -> Parts:
        budget = Budget(work.size(1500, 15_000), 3)
        settings = {"members": work.size(1, 3), "steps": work.size(1500, 6000), "steps_between": work.size(800, 3000)}
        fitted = work.fit("TSNPE", "tsnpe", toy.prior, toy.simulate, x_o, budget, seed=1, **settings)
        return {"draws": fitted.posterior.sample(20_000, 1), "density": np.exp(fitted.posterior.log_prob(theta))}

    ours, new = work.part("snpe_b", snpe_b), work.part("tsnpe", modern)
    truth = np.array([toy.moments(row) for row in x])
    mean, variance = toy.moments(x_o)
    exact = np.exp(toy.prior.log_prob(theta) + toy.log_likelihood(theta, x_o))
    arrays = {f"snpe_b.{k}": v for k, v in ours.items()} | {f"tsnpe.{k}": v for k, v in new.items()}
    arrays |= {"x": x[:, 0], "theta": theta[:, 0], "exact": exact / np.trapezoid(exact, theta[:, 0]), "moments": truth}
    arrays |= {"prior": np.exp(toy.prior.log_prob(theta)), "dots": _drawn_from(theta, ours["proposal"])}
    arrays["dots_x"] = toy.draw(arrays["dots"], np.random.default_rng(3))
    caption = (
        "x = cube root of theta + noise of variance 0.1, prior N(5, 3^2), x_o = 1.27769. The stored draft of the panel "
        "mixes four settings and its learned curve is a closed-form expression; here one model is used throughout and "
        "the learned curves are fits: SNPE-B with two Gaussians, and TSNPE. Dots are 500 simulations of the last "
        "round's proposal; curves in the middle are means and 2 sds, given any x."
    )
    return Result(caption, _rows(ours["draws"], new["draws"], mean, variance), arrays)


def _drawn_from(theta: Array, height: Array) -> Array:
    """Five hundred parameters ``(500, 1)`` from a density given on an even grid ``(N, 1)``."""
    rng, step = np.random.default_rng(3), theta[1, 0] - theta[0, 0]
    return rng.choice(theta[:, 0], (500, 1), p=height / height.sum()) + step * (rng.random((500, 1)) - 0.5)


def _rows(ours: Array, new: Array, mean: float, variance: float) -> tuple[Row, ...]:
    exact = f"mean {mean:.3f}, variance {variance:.2f}"
    good = abs(mean - 3.557) < 0.005 and abs(variance - 2.98) < 0.01
    lines = [judged("exact posterior by quadrature", "mean 3.557, variance 2.98 (recomputed)", exact, good)]
    for label, draws in (("SNPE-B", ours), ("TSNPE (modern)", new)):
        near = abs(draws.mean() - mean) < 0.25 and abs(draws.var() - variance) < 0.6
        text = f"mean {draws.mean():.3f}, variance {draws.var():.2f}"
        lines.append(judged(f"{label} at x_o", f"{exact} within 0.25 and 0.6 (ours)", text, near))
    return tuple(lines)


@styled
def _drawn(a: dict[str, Array]) -> Figure:
    figure = _draw.sheet(50, 110)
    left, middle, right = figure.subplots(1, 3, sharey=True, width_ratios=[1, 2.4, 1])
    left.plot(a["prior"], a["theta"], color="black", label="prior")
    left.plot(a["snpe_b.proposal"], a["theta"], "--", color=_draw.CDE, label="proposal")
    left.set(xlabel="density", ylabel="theta")
    left.legend(fontsize=6)
    middle.plot(a["dots_x"][:, 0], a["dots"][:, 0], ".", ms=2, color=_draw.CDE, alpha=0.5)
    mean, sd = a["moments"][:, 0], np.sqrt(a["moments"][:, 1])
    middle.plot(a["x"], mean, color=_draw.TRUE_POSTERIOR)
    middle.fill_between(a["x"], mean - 2 * sd, mean + 2 * sd, color=_draw.TRUE_POSTERIOR, alpha=0.15, lw=0)
    weight = a["snpe_b.image"] / a["snpe_b.image"].sum(axis=0)
    learned = (weight * a["theta"][:, None]).sum(axis=0)
    spread = np.sqrt((weight * (a["theta"][:, None] - learned) ** 2).sum(axis=0))
    middle.plot(a["x"], learned, color=_draw.SNPE)
    for sign in (-2, 2):
        middle.plot(a["x"], learned + sign * spread, "--", color=_draw.SNPE, lw=0.8)
    middle.axvline(X_O, color=_draw.TRUTH, lw=0.8)
    middle.set_xlim(0, np.sqrt(10))
    middle.set_xlabel("x")
    right.plot(a["exact"], a["theta"], color=_draw.TRUE_POSTERIOR, label="exact")
    right.plot(a["snpe_b.density"], a["theta"], color=_draw.SNPE, label="SNPE-B")
    right.plot(a["tsnpe.density"], a["theta"], color=_draw.MODERN, lw=0.8, label="TSNPE")
    right.legend(fontsize=6)
    right.set_xlabel("density")
    left.set_ylim(0, 10)
    return figure


def draw(result: Result) -> dict[str, Figure]:
    """The figure."""
    return {"1b": _drawn(dict(result.arrays))}
