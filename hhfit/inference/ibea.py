"""IBEA: the genetic algorithm of BluePyOpt, the customary way to fit a neuron by hand-made features."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import DependencyError
from hhfit.inference._base import Inference as Base
from hhfit.inference._particles import Distance, Particles
from hhfit.inference._rounds import outcomes
from hhfit.journal import Journal
from hhfit.posterior import Posterior
from hhfit.prior import Prior
from hhfit.simulations import Simulate

_FAR = 250.0
"""Objective of a failed simulation, as BluePyOpt's examples have it."""


@dataclass(frozen=True, eq=False)
class Inference(Base):
    """The best individuals of an evolution under one objective per feature.

    They are no posterior: their spread says where the search stopped, not what the recording leaves open.

    Args:
        offspring: Individuals per generation.
        best: Individuals that are returned.

    Source:
        Zitzler & Kunzli 2004; BluePyOpt (Van Geit et al. 2016), as compared with in Goncalves et al. 2020.
    """

    offspring: int = 100
    best: int = 50

    def fit(self, prior: Prior, simulate: Simulate, x_o: Array, seed: int, journal: Journal) -> Posterior:
        """Search for parameters of one observation."""
        generations = max(self.budget.simulations // self.offspring - 1, 1)
        rng = np.random.default_rng(np.random.SeedSequence((seed, 1)))
        pilot = simulate(prior.from_cube(rng.random((self.offspring, prior.n_parameters))), 0)
        distance = Distance(pilot, x_o)
        tried, scores, n = [pilot.theta], [distance.each(pilot)], len(pilot)

        def evaluate(_: Callable[..., Any], individuals: Iterable[Any]) -> list[list[float]]:
            nonlocal n
            u = np.array([list(individual) for individual in individuals])
            found = simulate(prior.from_cube(u.clip(0.0, 1.0)), n)
            n += len(found)
            tried.append(found.theta)
            scores.append(distance.each(found))
            journal.progress("evolving", n, self.budget.simulations, f"best {min(s.sum(1).min() for s in scores):.2f}")
            return np.minimum(scores[-1], _FAR).tolist()

        evolve(prior.n_parameters, len(x_o), evaluate, generations, offspring=self.offspring, seed=seed)
        theta, total = np.concatenate(tried), np.concatenate(scores).sum(axis=1)
        rows = np.argsort(total, kind="stable")[: self.best]
        log = outcomes(pilot) | {"simulations": n, "best": float(total[rows[0]]), "generations": generations}
        journal.record("round-01", {"theta": theta[rows]}, log | {"leaked_mass": 0.0})
        return Particles(prior, theta[rows], np.ones(len(rows)))


def evolve(
    size: int, objectives: int, evaluate: Callable[..., Any], generations: int, *, offspring: int, seed: int
) -> None:
    """Let a population evolve on the unit cube.

    Args:
        size: Dimensions of the cube.
        objectives: Objectives per individual.
        evaluate: Takes a function, which it ignores, and individuals; returns their objectives.
        generations: Generations after the first.
        offspring: Individuals per generation.
        seed: Source of all randomness.

    Raises:
        DependencyError: If BluePyOpt is not installed.
    """
    try:
        import bluepyopt.deapext.optimisations as deap
        from bluepyopt import evaluators, parameters
        from bluepyopt import objectives as aims
    except ImportError:
        raise DependencyError("ibea needs BluePyOpt; install it with: pip install bluepyopt") from None

    class Evaluator(evaluators.Evaluator):
        def __init__(self) -> None:
            super().__init__(
                objectives=[aims.Objective(f"x{i}") for i in range(objectives)],
                params=[parameters.Parameter(f"u{i}", bounds=[0.0, 1.0]) for i in range(size)],
            )

        def init_simulator_and_evaluate_with_lists(self, individual: list[float]) -> list[float]:
            """Named by BluePyOpt, never called: ``evaluate`` takes whole generations."""
            raise NotImplementedError

    search = deap.IBEADEAPOptimisation(Evaluator(), offspring_size=offspring, map_function=evaluate, seed=seed + 1)
    search.run(max_ngen=generations, continue_cp=False)
