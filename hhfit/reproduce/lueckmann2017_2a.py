"""Lueckmann et al. 2017, figure 2A: SNPE-A does not complete its rounds, SNPE-B does."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hhfit import inference
from hhfit.arrays import Array
from hhfit.errors import InferenceError
from hhfit.inference import Budget
from hhfit.plots import styled
from hhfit.references import Mixture, box
from hhfit.reproduce import _draw
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._networks import proposal_of
from hhfit.reproduce._work import AS_PUBLISHED, Heard, Parts, Work

SINGLES = range(1, 6)
"""Rounds with one Gaussian, before a last one with two."""
METHODS: dict[str, dict[str, Any]] = {
    "snpe_a": {},
    "snpe_b": {"defensive": 0.1, "freedom": np.inf},
}
LABELS = {"snpe_a": "CDE-LFI (SNPE-A)", "snpe_b": "SNPE (SNPE-B)"}
X_O = np.zeros(1)


def run(work: Work) -> Result:
    """Both methods for 2 to 6 rounds and many seeds."""
    reference = Mixture(box(1, 10.0))
    seeds, epochs = range(1, 1 + work.size(3, 100)), work.size(20, 100)
    arrays: dict[str, Array] = {}
    for method in METHODS:
        found = []
        for done, seed in enumerate(seeds):
            work.progress(method, done, len(seeds), "")
            found.append(work.part(f"{method}-{seed}", lambda m=method, s=seed: _series(work, reference, m, s, epochs)))
        arrays[f"{method}.kl"] = np.array([part["kl"] for part in found])
        arrays[f"{method}.proposals"] = found[0]["proposals"]
    modern = [work.part(f"tsnpe-{s}", lambda s=s: _modern(work, reference, s)) for s in range(1, 1 + work.size(1, 5))]
    arrays["tsnpe.kl"] = np.array([part["kl"] for part in modern])
    arrays["theta"] = _THETA[:, 0]
    arrays["exact"] = np.exp(reference.log_likelihood(_THETA, X_O))
    caption = (
        f"x = theta + noise of variance 1 or 0.01, prior U(-10, 10), x_o = 0; 1000 simulations per round, 2000 in the "
        f"last. Seeds 1 to {len(seeds)}. A run is not completed when the division by the proposal leaves no positive "
        f"precision. {epochs} epochs (100 in the authors' later script), Adam with a falling rate, the scripts' factor "
        "of 0.1 of the weights' divergence; runs of more rounds share the early rounds of those with fewer. Printed "
        "percentages were not found. Ours z-scores x and theta, which that script did not. The quotient by an ever "
        "narrower proposal fails where the last round's wide Gaussian is found a little too wide; a network that "
        "finds it too narrow, or whose two Gaussians do not come apart (as after six rounds with seed 1), completes "
        "with a wrong result."
    )
    return Result(caption, _rows(arrays), arrays)


_THETA = np.linspace(-3, 3, 601)[:, None]


def _series(work: Work, reference: Mixture, method: str, seed: int, epochs: int) -> Parts:
    """KL of runs of 2 to 6 rounds with one seed, NaN where one ended in an error; and SNPE-A's proposals."""
    exact = reference.sample(X_O, 5000, seed)
    height, known = reference.log_likelihood(exact, X_O), {}
    scores = np.full(len(SINGLES), np.nan)
    for i, k in enumerate(SINGLES):
        journal = Heard(f"{method}, seed {seed}", lambda *_: None)
        journal.arrays = {f"round-{r:02d}": known[f"round-{r:02d}"] for r in range(1, k)}
        settings = AS_PUBLISHED.get(method, {}) | METHODS[method] | ({"singles": k} if method == "snpe_b" else {})
        settings |= {"components": 2, "hidden": (20,), "epochs": epochs, "batch": 50, "pull": 0.1}
        settings |= {"rate": work.size(2, 1) * 1e-3}
        budget = Budget(1000 * k + 2000, k + 1, 2000)
        algorithm = inference.get(method, budget, **settings)
        work.count(3000 if k == 1 else budget.simulations - 1000 * (k - 1))
        try:
            posterior = algorithm.fit(reference.prior, reference.simulate, X_O, 1000 * work.seed + seed, journal)
            scores[i] = float((height - posterior.log_prob(exact)).mean())
        except InferenceError:
            pass
        known = journal.arrays
        if f"round-{k:02d}" not in known:
            break
    proposals = np.full((2, len(_THETA)), np.nan)
    for row, key in enumerate(("round-01", "round-05")):
        if key in known:
            proposals[row] = proposal_of(known[key], reference.prior, _THETA)
    return {"kl": scores, "proposals": proposals}


def _modern(work: Work, reference: Mixture, seed: int) -> Parts:
    exact = reference.sample(X_O, 5000, seed)
    settings = {"members": work.size(1, 3), "steps": work.size(1500, 6000), "steps_between": work.size(500, 2000)}
    fitted = work.fit(
        "TSNPE", "tsnpe", reference.prior, reference.simulate, X_O, Budget(7000, 6), seed=seed, **settings
    )
    score = (reference.log_likelihood(exact, X_O) - fitted.posterior.log_prob(exact)).mean()
    return {"kl": np.array(score)}


def _median(scores: Array) -> str:
    """Median of the runs that completed."""
    scores = scores[np.isfinite(scores)]
    return f"{np.median(scores):.3f}" if len(scores) else "-"


def _rows(arrays: dict[str, Array]) -> tuple[Row, ...]:
    share = {method: 100 * np.isfinite(arrays[f"{method}.kl"]).mean(axis=0) for method in METHODS}
    shown = {method: ", ".join(f"{value:.0f}" for value in values) for method, values in share.items()}
    a, b = share["snpe_a"], share["snpe_b"]
    medians = {method: [_median(column) for column in arrays[f"{method}.kl"].T] for method in METHODS}
    modern = arrays["tsnpe.kl"]
    return (
        judged("SNPE-B runs completed [%], 2 to 6 rounds", "100", shown["snpe_b"], bool((b == 100).all())),
        judged("SNPE-A runs completed [%], 2 to 6 rounds", "falls with rounds", shown["snpe_a"], bool(a[-1] < a[0])),
        *(
            Row(f"median KL of {LABELS[method]}, 2 to 6 rounds [nat]", "0.376 for the best Gaussian", ", ".join(values))
            for method, values in medians.items()
        ),
        judged(
            "TSNPE (modern), 6 rounds: completed [%], median KL [nat]",
            "100",
            f"{100 * np.isfinite(modern).mean():.0f}, {np.median(modern):.3f}",
            bool(np.isfinite(modern).all()),
        ),
    )


@styled
def _drawn(a: dict[str, Array]) -> Figure:
    figure = _draw.sheet(32, 110)
    left, middle, right = figure.subplots(1, 3)
    for axes in (left, right):
        axes.plot(a["theta"], a["exact"], color=_draw.TRUE_POSTERIOR, label="true")
        axes.set_xlabel("theta")
        axes.set(ylim=(-0.1, 2.5), ylabel="density")
    left.set_title("true posterior")
    rounds = [k + 1 for k in SINGLES]
    for method, colour, size in (("snpe_b", _draw.SNPE, 6), ("snpe_a", _draw.CDE, 3)):
        share = 100 * np.isfinite(a[f"{method}.kl"]).mean(axis=0)
        middle.plot(rounds, share, "o-", ms=size, color=colour, label=LABELS[method])
    middle.set(xlabel="# of rounds", ylabel="% completed runs", ylim=(0, 105), xticks=rounds)
    middle.legend(fontsize=6, loc="lower left")
    for row, style, label in ((0, ":", "round 2"), (1, "--", "round 6")):
        if np.isfinite(a["snpe_a.proposals"][row]).all():
            right.plot(a["theta"], a["snpe_a.proposals"][row], style, color=_draw.CDE, label=label)
    right.set_title("CDE-LFI proposal priors")
    right.legend(fontsize=6)
    return figure


def draw(result: Result) -> dict[str, Figure]:
    """The figure."""
    return {"2a": _drawn(dict(result.arrays))}
