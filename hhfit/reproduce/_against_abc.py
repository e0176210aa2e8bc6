"""SNPE-A against rejection, MCMC and SMC ABC on one problem, and TSNPE beside them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.errors import InferenceError
from hhfit.inference import Budget
from hhfit.plots import styled
from hhfit.posterior import Posterior
from hhfit.prior import Prior
from hhfit.reproduce import _draw
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._work import Parts, Work
from hhfit.simulations import Simulate

ABC = {"abc_rejection": "rejection ABC", "abc_mcmc": "MCMC ABC", "abc_smc": "SMC ABC"}
COLOURS = {"abc_rejection": _draw.CDE, "abc_mcmc": _draw.EXACT, "abc_smc": _draw.IBEA}
COLOURS |= {"snpe_a": _draw.SNPE, "mdn": _draw.TRUTH, "tsnpe": _draw.MODERN}
LABELS = ABC | {"snpe_a": "SNPE-A", "mdn": "MDN with prior", "tsnpe": "TSNPE (modern)"}
DRAWS = 4000
ATTEMPTS = 10
"""Seeds that SNPE-A is tried with before it counts as failed."""
KEPT = 300
"""Particles that ABC keeps; the published code sweeps the tolerance instead of the number of simulations."""


@dataclass(frozen=True, eq=False)
class Problem:
    """One of the problems of Papamakarios & Murray 2016.

    Args:
        prior: The prior.
        simulate: The simulator.
        x_o: The observation.
        score: How bad a posterior is [nat].
        metric: What the score is, for the axis.
        proposals: Rounds and simulations per round that find the proposal.
        last: Simulations of the last round.
        components: Gaussians of the last round.
        settings: Settings of SNPE-A.
        truth: Parameters behind the observation; empty when there are none.
        exact: Draws from the exact posterior; empty when it is unknown.
    """

    prior: Prior
    simulate: Simulate
    x_o: Array
    score: Callable[[Posterior], float]
    metric: str
    proposals: tuple[int, int]
    last: int
    components: int
    settings: dict[str, Any] = field(default_factory=dict)
    truth: Array = field(default_factory=lambda: np.empty(0))
    exact: Array = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def budget(self) -> Budget:
        """The budget of SNPE-A."""
        rounds, each = self.proposals
        return Budget(rounds * each + self.last, rounds + 1, self.last)


def compare(work: Work, problem: Problem) -> dict[str, Array]:
    """Scores of all methods and draws from their posteriors."""
    sizes = work.size(10_000, 1_000_000)
    scales = [n for n in (1000, 10_000, 100_000, 1_000_000) if n <= sizes]
    parts = {"snpe_a": work.part("snpe_a", lambda: _snpe_a(work, problem))}
    parts["mdn"] = work.part("mdn", lambda: _one(work, problem, "mdn", work.size(5000, 50_000)))
    parts["tsnpe"] = work.part("tsnpe", lambda: _one(work, problem, "tsnpe", problem.budget.simulations))
    for method in ABC:
        found = [work.part(f"{method}-{n}", lambda m=method, n=n: _one(work, problem, m, n)) for n in scales]
        parts[method] = {key: np.concatenate([part[key] for part in found]) for key in ("n", "score")}
        parts[method]["draws"] = found[-1]["draws"]
    return {f"{method}.{key}": value for method, found in parts.items() for key, value in found.items()}


def _snpe_a(work: Work, problem: Problem) -> Parts:
    """SNPE-A with the paper's rounds; where the division fails the next seed is tried, and that is counted."""
    epochs = work.size(150, 1000)
    for attempt in range(ATTEMPTS):
        try:
            fitted = work.fit(
                "SNPE-A",
                "snpe_a",
                problem.prior,
                problem.simulate,
                problem.x_o,
                problem.budget,
                seed=100 * attempt,
                components=problem.components,
                epochs=epochs,
                **problem.settings,
            )
        except InferenceError:
            continue
        return _scored(problem, fitted.posterior, problem.budget.simulations) | {"failures": np.array(attempt)}
    nothing = np.full((DRAWS, problem.prior.n_parameters), np.nan)
    none = {"n": np.array([problem.budget.simulations]), "score": np.array([np.nan]), "draws": nothing}
    return none | {"failures": np.array(ATTEMPTS)}


def _one(work: Work, problem: Problem, method: str, n: int) -> Parts:
    settings: dict[str, Any] = {}
    budget = Budget(n)
    name = method
    if method == "mdn":
        name = "snpe_a"
        settings = {**problem.settings, "components": problem.components, "svi": False, "epochs": work.size(50, 100)}
    elif method == "abc_rejection":
        settings = {"accept": KEPT / n}
    elif method == "abc_mcmc":
        settings = {"walkers": 20 if n <= 1000 else 100, "accept": min(0.1, KEPT / n)}
    elif method == "abc_smc":
        budget, settings = Budget(n, 5), {"accept": min(0.4, 5 * KEPT / n)}
    else:
        budget = Budget(n, 3)
        settings = {"members": work.size(1, 3), "steps": work.size(1500, 6000), "steps_between": work.size(800, 3000)}
    arguments = problem.prior, problem.simulate, problem.x_o, budget
    fitted = work.fit(LABELS[method], name, *arguments, seed=7, **settings)
    return _scored(problem, fitted.posterior, n)


def _scored(problem: Problem, posterior: Posterior, n: int) -> Parts:
    draws = posterior.sample(DRAWS, 1)
    return {"n": np.array([n]), "score": np.array([problem.score(posterior)]), "draws": draws}


def kl(exact: Array, log_exact: Array) -> Callable[[Posterior], float]:
    """Score: Kullback-Leibler divergence of a posterior from the exact one, by draws from the latter."""
    return lambda posterior: float((log_exact - posterior.log_prob(exact)).mean())


def truth_score(truth: Array) -> Callable[[Posterior], float]:
    """Score: minus the log density at the true parameters."""
    return lambda posterior: -float(posterior.log_prob(truth[None])[0])


def rows(problem: Problem, found: dict[str, Array]) -> list[Row]:
    """The message of the paper's figures as rows: SNPE-A at its budget against each ABC method at the largest."""
    ours, n = float(found["snpe_a.score"][0]), int(found["snpe_a.n"][0])
    said = "below ABC with more simulations (message of the paper; printed values not found)"
    failures = int(found["snpe_a.failures"])
    said_failures = f"{failures}, every seed tried" if failures == ATTEMPTS else str(failures)
    lines = [Row(f"divisions that failed before SNPE-A ended, {n:,} simulations", "-", said_failures)]
    for method, label in ABC.items():
        theirs = float(found[f"{method}.score"][-1])
        quantity = f"{problem.metric}: SNPE-A ({n:,}) against {label} ({int(found[f'{method}.n'][-1]):,})"
        lines.append(judged(quantity, said, f"{ours:.2f} against {theirs:.2f}", ours < theirs))
    for method in ("mdn", "tsnpe"):
        quantity = f"{problem.metric}: {LABELS[method]}, {int(found[f'{method}.n'][0]):,}"
        lines.append(Row(quantity, "-", f"{float(found[f'{method}.score'][0]):.2f}"))
    return lines


def result(work: Work, problem: Problem, what: str, extra: Callable[[dict[str, Array]], list[Row]]) -> Result:
    """The figure of one problem."""
    found = compare(work, problem)
    caption = (
        f"{what} Chosen here: ABC keeps the {KEPT} closest simulations of 1,000 to {max(found['abc_smc.n']):,} (the "
        "paper sweeps the tolerance), its density is a kernel estimate; every round of SNPE-A has the same number of "
        "epochs. Printed values of the paper were not found."
    )
    names = {"truth": problem.truth, "exact": problem.exact, "bounds": problem.prior.interval}
    arrays = found | {f"problem.{name}": value for name, value in names.items()}
    arrays |= {"problem.names": np.array(problem.prior.names), "problem.metric": np.array(problem.metric)}
    return Result(caption, (*rows(problem, found), *extra(found)), arrays)


@styled
def drawn(arrays: dict[str, Array]) -> Figure:
    """Left: score against simulations; right: the marginals of every parameter."""
    names = [str(name) for name in arrays["problem.names"]]
    figure = _draw.sheet(60 if len(names) < 4 else 75)
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.4])
    axes = left.subplots()
    for method, label in LABELS.items():
        n, score = arrays[f"{method}.n"], arrays[f"{method}.score"]
        failed = "" if np.isfinite(score).any() else ": failed"
        axes.plot(n, score, "o-", ms=4, color=COLOURS[method], label=label + failed)
    axes.set_xscale("log")
    axes.set_xlabel("simulations")
    axes.set_ylabel(str(arrays["problem.metric"]))
    axes.legend(fontsize=6)
    columns = min(len(names), 3)
    grid = right.subplots(-(-len(names) // columns), columns, squeeze=False).ravel()
    for p, name in enumerate(names):
        _marginal(grid[p], arrays, p, name)
    if len(names) == 1:
        grid[0].legend(fontsize=6)
        grid[0].set_ylabel("density")
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    return figure


def _marginal(axes: Axes, arrays: dict[str, Array], p: int, name: str) -> None:
    shown = {method: arrays[f"{method}.draws"][:, p] for method in ("abc_smc", "snpe_a", "tsnpe")}
    shown = {method: draws for method, draws in shown.items() if np.isfinite(draws).all()}
    ends = [np.quantile(draws, [0.01, 0.99]) for method, draws in shown.items() if method != "abc_smc"]
    low, high = np.min(ends), np.max(ends)  # a few far draws of one method would else set the scale
    room = 0.4 * (high - low)
    low, high = max(low - room, arrays["problem.bounds"][p, 0]), min(high + room, arrays["problem.bounds"][p, 1])
    for method, draws in shown.items():
        _draw.density(axes, draws, low, high, COLOURS[method], LABELS[method])
    if len(arrays["problem.exact"]):
        _draw.density(axes, arrays["problem.exact"][:, p], low, high, _draw.TRUE_POSTERIOR, "exact")
    if len(arrays["problem.truth"]):
        axes.axvline(arrays["problem.truth"][p], color=_draw.TRUE_POSTERIOR, lw=1, ls="--", label="truth")
    axes.set_xlabel(name)
