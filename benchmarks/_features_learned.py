"""Rows of features.py on what networks learn: from samples, and from features that are undefined."""

import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from hhfit import extractors, inference, model, protocol, references
from hhfit.inference import Budget
from hhfit.journal import Memory
from hhfit.model import Model
from hhfit.prior import Marginal, Prior
from hhfit.simulations import Simulations
from hhfit.task import Simulation

SMALL: dict[str, Any] = {"members": 2, "hidden": 24, "steps": 200}
"""Settings of quick rows, which check the benchmark and not the method."""


def c2st(one: np.ndarray, two: np.ndarray) -> float:
    """Accuracy of a classifier that tells two sets of draws apart, by sbi's implementation."""
    import torch
    from sbi.utils.metrics import c2st as measure

    return float(measure(torch.tensor(one, dtype=torch.float32), torch.tensor(two, dtype=torch.float32)))


@dataclass(frozen=True, eq=False)
class Neuron:
    """A model under the step of Goncalves et al. 2020, as a simulator of a feature set.

    Args:
        neuron: The model.
        features: Name of the feature set.
    """

    neuron: Model
    features: str

    @property
    def prior(self) -> Prior:
        return self.neuron.prior

    @property
    def settings(self) -> dict[str, Any]:
        """What the inference method has to know of the features."""
        features = extractors.load(self.features)
        return {"sampled": features.sampled(protocol.load("goncalves2020"))} if features.embedding else {}

    def simulate(self, theta: np.ndarray, first: int) -> Simulations:
        step = protocol.load("goncalves2020")
        work = Simulation(self.neuron, step, extractors.load(self.features), "batched", 0.025)
        return work(theta, 1, first + np.arange(len(theta)))

    def compute(self, theta: np.ndarray) -> np.ndarray:
        """Features alone, of any number of parameter sets ``(N, P)``."""
        return np.concatenate([self.simulate(theta[s : s + 1000], s).x for s in range(0, len(theta), 1000)])


def e2(points: int) -> tuple[references.Noisy, dict[str, Any]]:
    """The trace of a deterministic neuron under noise of 10 mV, of two conductances; design E2 of statistics.md."""
    whole = model.load("pospischil")
    priors = dict.fromkeys(whole.prior.names) | {
        "g_na": Marginal("uniform", 30.0, 70.0),
        "g_kd": Marginal("uniform", 2.0, 8.0),
    }
    neuron = Neuron(whole.with_values({"noise": 0.0}).with_priors(priors), "learned")
    samples = neuron.settings["sampled"].columns.size
    return references.Noisy(neuron.prior, neuron.compute, np.full(samples, 10.0), points), neuron.settings


def trace_exact(options: Any) -> tuple[float, bool, str]:
    """Mean C2ST between exact posterior and that of a network that sees the trace, over six observations."""
    problem, learned = e2(60 if options.quick else 400)
    budget = Budget(500 if options.quick else 10_000)
    algorithm = inference.get("npe", budget, **(SMALL if options.quick else {}), **learned)
    journal, started = Memory(), time.perf_counter()
    observations = [problem.observation(options.seed + 10 + i) for i in range(2 if options.quick else 6)]
    posterior = algorithm.fit(problem.prior, problem.simulate, observations[0], options.seed, journal)
    seconds, found, floor, cells = time.perf_counter() - started, [], [], []
    for number, x_o in enumerate(observations):
        exact, again = problem.sample(x_o, 4000, 2), problem.sample(x_o, 4000, 3)
        found.append(c2st(posterior.at(x_o).sample(4000, 1), exact))
        cells.append(1 / (problem.chances(x_o) ** 2).sum())
        if number == 0:
            floor.append(c2st(again, exact))
    value, log = float(np.mean(found)), journal.logs["round-01"]
    detail = (
        f"C2ST {np.round(found, 3).tolist()}, two exact sets {floor[0]:.3f}; effective cells {min(cells):.0f} or more"
    )
    detail += f"; validation {log['validation_loss']:.2f}, best epoch {log['best_epoch']:.0f} of {log['epochs']}"
    return value, value <= 0.80, f"{detail}; coverage 90 % {log['coverage_90']:.2f}; fit {seconds:.0f} s wall"


SETS = ("spiking", "learned", "spiking_learned")
"""Hand features, what a network learns, and both."""

MINUTES = 6.0
"""Longest training on 10,000 simulations, on one idle core."""


def scored(name: str, options: Any) -> dict[str, float]:
    """Negative log density of held-out truths, coverage and training time with one feature set."""
    neuron = Neuron(model.load("pospischil"), name)
    truths, draws = (50, 50) if options.quick else (500, 200)
    budget = Budget(500 if options.quick else 10_000)
    algorithm = inference.get("npe", budget, **(SMALL if options.quick else {}), **neuron.settings)
    theta = neuron.prior.sample(truths, options.seed + 1_000_003)
    held, journal = neuron.simulate(theta, 5_000_000), Memory()
    theta, x = theta[held.usable], held.x[held.usable]
    posterior = algorithm.fit(neuron.prior, neuron.simulate, x[0], options.seed, journal)
    log = journal.logs["round-01"]
    drawn = posterior.sample_at(x, draws, options.seed)
    height = posterior.log_prob_at(np.concatenate([theta[:, None], drawn], axis=1), x)
    inside = (height[:, 1:] > height[:, :1]).mean(axis=1)
    own = -height[:, 0]
    found = {f"{100 * level:.0f} %": float((inside < level).mean()) for level in (0.5, 0.9)}
    found |= {"NLTP": float(own.mean()), "error": float(own.std() / np.sqrt(len(own))), "worst": float(own.max())}
    return found | {"minutes": log["train_cpu_s"] / 60, "best_epoch": log["best_epoch"], "epochs": log["epochs"]}


def against_each(options: Any) -> tuple[float, bool, str]:
    """NLTP and coverage with hand features, a learned summary, and both; the default of ``fit`` must win."""
    from hhfit.planning import Settings

    table = {}
    for name in SETS:
        table[name] = scored(name, options)
        print(name, {k: round(v, 3) for k, v in table[name].items()}, file=sys.stderr, flush=True)
    fast = {name: row for name, row in table.items() if row["minutes"] <= MINUTES}
    best = min(fast, key=lambda name: fast[name]["NLTP"]) if fast else "none"
    cells = [
        f"{name}: NLTP {row['NLTP']:.2f} (SE {row['error']:.2f}), 50/90 % {row['50 %']:.2f}/{row['90 %']:.2f}, "
        f"training {row['minutes']:.1f} min"
        for name, row in table.items()
    ]
    default = Settings().features
    detail = f"{'; '.join(cells)}; best within {MINUTES:g} min: {best}, default of fit: {default}"
    return table[default]["NLTP"], best == default, detail


@dataclass(frozen=True, eq=False)
class Dropping:
    """Common practice with undefined features: drop such rows, and put the mean in their place in the observation.

    Args:
        problem: What is simulated.
    """

    problem: references.Undefined

    def simulate(self, theta: np.ndarray, first: int) -> Simulations:
        rows = self.problem.simulate(theta, first)
        return Simulations(rows.theta, rows.x, np.where(np.isnan(rows.x).any(axis=1), 5, rows.status), rows.index)

    def filled(self, x_o: np.ndarray) -> np.ndarray:
        x = self.problem.simulate(self.problem.prior.sample(10_000, 1), 10**6).x
        return np.where(np.isnan(x_o), np.nanmean(x, axis=0), x_o)


def imputation(options: Any) -> tuple[float, bool, str]:
    """KL from the exact posterior with all rows, features undefined in half of them; beside dropping such rows."""
    from hhfit.references import Undefined, normal

    worst, holds, texts = 0.0, True, []
    settings = {"members": 2, "steps": 300} if options.quick else {}
    for at_random in (True, False):
        problem = Undefined(normal(np.ones(2), np.eye(2)), at_random=at_random)
        other = Dropping(problem)
        seen = [problem.observation(options.seed + 50 + i) for i in range(6 if options.quick else 100)]
        budget = Budget(500 if options.quick else 10_000)
        method, journals = inference.get("npe", budget, **settings), [Memory(), Memory()]
        ours = method.fit(problem.prior, problem.simulate, seen[0], options.seed, journals[0])
        dropped = method.fit(problem.prior, other.simulate, other.filled(seen[0]), options.seed, journals[1])
        kept = [problem.divergence(x_o, ours.at(x_o).log_prob) for x_o in seen]
        lost = [problem.divergence(x_o, dropped.at(other.filled(x_o)).log_prob) for x_o in seen]
        absent = np.array([np.isnan(x_o[2]) for x_o in seen])
        trained = [journal.logs["round-01"]["trained_on"] for journal in journals]
        values = [float(np.mean(v)) for v in (kept, lost)]
        worst, holds = max(worst, values[0]), holds and values[1] >= 3 * values[0] and trained[0] == budget.simulations
        texts.append(
            f"{'at random' if at_random else 'not at random'}: all {trained[0]} rows {values[0]:.3f} nat (max "
            f"{max(kept):.3f}), dropping keeps {trained[1]} rows: {values[1]:.3f} (max {max(lost):.3f}; "
            f"{np.mean(np.array(lost)[~absent]):.3f} where all is defined)"
        )
    return worst, holds and worst <= 0.05, "; ".join(texts)
