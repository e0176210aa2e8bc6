"""Lueckmann et al. 2017, supplement: the divergence between successive weight posteriors vanishes."""

from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.inference import Budget
from hhfit.plots import styled
from hhfit.references import LinearGaussian, normal
from hhfit.reproduce import _draw
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._networks import divergence
from hhfit.reproduce._work import Parts, Work

TERMS = {
    "log_determinants": "log|S_old| - log|S_new|",
    "trace": "trace - d",
    "means": "means",
    "total": "KL",
}


def run(work: Work) -> Result:
    """Many rounds of SNPE-B on one Gaussian parameter with a network of ten weights."""
    rounds = work.size(15, 50)
    found = work.part("snpe_b", lambda: _terms(work, rounds))
    caption = (
        "One parameter, x | theta ~ N(theta, 0.1), prior N(0, 25), 2000 simulations a round, 2 hidden units, 50 "
        "epochs, minibatch 100, no kernel; every round learns from its own simulations and is held to the weights of "
        "the round before, as published. The observation is 0 (the paper's was not found). KL of each round's weight "
        "posterior from that of the round before, both for inputs in the new round's z-scores: ours are made anew in "
        "every round. Importance weights of Gaussian proposals as narrow as the posterior are worth few draws, so "
        "that rounds differ by chance to the end."
    )
    return Result(caption, _rows(found), found)


def _terms(work: Work, rounds: int) -> Parts:
    toy = LinearGaussian(normal(np.array([5.0]), np.eye(1)), sd=np.sqrt(0.1))
    settings = {"components": 1, "hidden": (2,), "epochs": 50}
    settings |= {"defensive": 0.0, "freedom": np.inf, "pull": 1.0}
    budget = Budget(2000 * rounds, rounds)
    fitted = work.fit("SNPE-B", "snpe_b", toy.prior, toy.simulate, np.zeros(1), budget, seed=1, **settings)
    kept = [fitted.journal.arrays[f"round-{r:02d}"] for r in range(1, rounds + 1)]
    found = [divergence(new, old) for old, new in pairwise(kept)]
    draws = fitted.posterior.sample(4000, 1)
    return {name: np.array([terms[name] for terms in found]) for name in TERMS} | {"draws": draws}


def _rows(found: dict[str, Array]) -> tuple[Row, ...]:
    total = found["total"]
    expected = "280 to 0 over 50 rounds (stored figure)"
    text = f"{total[0]:.1f} to {total[-3:].mean():.2f} over {len(total) + 1}"
    exact = np.sqrt(1 / (1 / 25 + 1 / 0.1))
    return (
        judged("KL between successive weight posteriors", expected, text, bool(total[-3:].mean() < 0.1 * total[0])),
        judged(
            "sd of the posterior after the last round",
            f"{exact:.3f} (exact) within 15 % (ours)",
            f"{found['draws'].std():.3f}",
            bool(abs(found["draws"].std() / exact - 1) < 0.15),
        ),
    )


@styled
def _drawn(a: dict[str, Array]) -> Figure:
    figure = _draw.sheet(35)
    grid = figure.subplots(1, 4)
    for axes, (name, label) in zip(grid, TERMS.items(), strict=True):
        axes.plot(np.arange(2, len(a[name]) + 2), a[name], "o-", ms=2, color=_draw.SNPE)
        axes.set_title(f"{label} [nat]", fontsize=7)
        if name in ("means", "total"):
            axes.set_yscale("log")
        axes.set_xlabel("round")
    return figure


def draw(result: Result) -> dict[str, Figure]:
    """The figure."""
    return {"supp_kl": _drawn(dict(result.arrays))}
