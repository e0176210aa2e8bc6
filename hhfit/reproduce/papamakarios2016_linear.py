"""Papamakarios & Murray 2016, Bayesian linear regression."""

import numpy as np
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.reproduce._against_abc import Problem, drawn, kl, result
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._toys import LinearRegression
from hhfit.reproduce._work import Work


def run(work: Work) -> Result:
    """SNPE-A with 4 rounds of 200 and a last one of 2000, against ABC and the exact posterior."""
    from scipy import stats

    toy = LinearRegression()
    x_o = toy.draw(toy.truth[None], np.random.default_rng(1))[0]
    mean, covariance = toy.exact(x_o)
    exact = np.random.default_rng(2).multivariate_normal(mean, covariance, 4000)
    score = kl(exact, stats.multivariate_normal(mean, covariance).logpdf(exact))
    problem = Problem(
        toy.prior,
        toy.simulate,
        x_o,
        score,
        "KL(exact || ours) [nat]",
        (4, 200),
        2000,
        1,
        {"batch": 50},
        toy.truth,
        exact,
    )
    what = (
        "Six weights, ten noisy values of a linear function (sd 0.1), standard normal prior; red: the exact posterior. "
        "The paper's inputs and observation were not found: inputs are drawn with seed 0, the noise with seed 1."
    )
    return result(work, problem, what, lambda found: _means(found, mean, np.sqrt(np.diag(covariance))))


def _means(found: dict[str, Array], mean: Array, sd: Array) -> list[Row]:
    off = np.abs(found["snpe_a.draws"].mean(axis=0) - mean) / sd
    ratio = found["snpe_a.draws"].std(axis=0) / sd
    return [
        judged("largest error of an SNPE-A mean, in exact sds", "below 2 (ours)", f"{off.max():.2f}", off.max() < 2),
        Row("SNPE-A sds over the exact ones", "1 (exact)", f"{ratio.min():.2f} to {ratio.max():.2f}"),
    ]


def draw(result: Result) -> dict[str, Figure]:
    """The figure."""
    return {"linear": drawn(dict(result.arrays))}
