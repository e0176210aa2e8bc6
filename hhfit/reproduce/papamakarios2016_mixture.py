"""Papamakarios & Murray 2016, mixture of two Gaussians of common mean."""

import numpy as np
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.references import Mixture, box
from hhfit.reproduce._against_abc import Problem, drawn, kl, result
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._work import Work

FLOOR = 0.376
"""Divergence [nat] of the exact posterior from the Gaussian of its moments: what no single Gaussian can beat."""


def run(work: Work) -> Result:
    """SNPE-A with 4 rounds of 200 and a last one of 1000 with two Gaussians, against ABC."""
    reference, x_o = Mixture(box(1, 10.0)), np.zeros(1)
    exact = reference.sample(x_o, 4000, 1)
    score = kl(exact, reference.log_likelihood(exact, x_o))
    settings = {"hidden": (20,), "batch": 100}
    problem = Problem(
        reference.prior,
        reference.simulate,
        x_o,
        score,
        "KL(exact || ours) [nat]",
        (4, 200),
        1000,
        2,
        settings,
        exact=exact,
    )
    what = (
        "One parameter, x = theta + noise of sd 1 or 0.1 in equal parts, x_o = 0; red is the exact posterior. Every "
        "round has the last one's minibatch of 100 (published: 50 in the others)."
    )
    return result(work, problem, what, _floor)


def _floor(found: dict[str, Array]) -> list[Row]:
    ours = float(found["snpe_a.score"][0])
    return [
        judged(
            "KL of SNPE-A against that of the best single Gaussian",
            f"below {FLOOR} (exact)",
            f"{ours:.3f}",
            ours < FLOOR,
        )
    ]


def draw(result: Result) -> dict[str, Figure]:
    """The figure."""
    return {"mixture": drawn(dict(result.arrays))}
