"""Papamakarios & Murray 2016, Lotka-Volterra."""

import numpy as np
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.reproduce._against_abc import Problem, drawn, result, truth_score
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._toys import LotkaVolterra
from hhfit.reproduce._work import Work


def run(work: Work) -> Result:
    """SNPE-A with 4 rounds of 500 and a last one of 2000, against ABC, at the paper's observation."""
    toy = LotkaVolterra()
    problem = Problem(
        toy.prior,
        toy.simulate,
        toy.x_o,
        truth_score(toy.truth),
        "-log q(truth) [nat]",
        (4, 500),
        2000,
        1,
        truth=toy.truth,
    )
    what = "Four log-uniform rates of a jump process, nine statistics; the observation is that of the paper's code."
    return result(work, problem, what, lambda found: _near(found, toy.truth))


def _near(found: dict[str, Array], truth: Array) -> list[Row]:
    draws = np.log(found["snpe_a.draws"])
    away = np.abs(draws.mean(axis=0) - np.log(truth)) / draws.std(axis=0)
    return [
        judged(
            "largest distance of the truth from SNPE-A's mean, in its sds",
            "below 3 (ours)",
            f"{away.max():.2f}",
            away.max() < 3,
        )
    ]


def draw(result: Result) -> dict[str, Figure]:
    """The figure."""
    return {"lotka_volterra": drawn(dict(result.arrays))}
