"""Papamakarios & Murray 2016, M/G/1 queue."""

import numpy as np
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.reproduce._against_abc import Problem, drawn, result, truth_score
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._toys import Queue
from hhfit.reproduce._work import Work


def run(work: Work) -> Result:
    """SNPE-A with 6 rounds of 400 and a last one of 5000 with 8 Gaussians, against ABC."""
    toy = Queue()
    x_o = toy.draw(toy.truth[None], np.random.default_rng(1))[0]
    score, settings = truth_score(toy.truth), {"precision": 0.1}
    problem = Problem(
        toy.prior, toy.simulate, x_o, score, "-log q(truth) [nat]", (6, 400), 5000, 8, settings, truth=toy.truth
    )
    what = (
        "Three parameters of a queue, five percentiles of inter-departure times, z-scored. The paper's observation is "
        "stored after a whitening that is not, so that it cannot be restored: ours is made by its parameters, seed 1. "
        "Weights have the published last round's prior precision of 0.1 in every round."
    )
    return result(work, problem, what, lambda found: _near(found, toy.truth))


def _near(found: dict[str, Array], truth: Array) -> list[Row]:
    draws = found["snpe_a.draws"]
    away = np.abs(draws.mean(axis=0) - truth) / draws.std(axis=0)
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
    return {"queue": drawn(dict(result.arrays))}
