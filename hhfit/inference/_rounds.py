"""What methods with neural densities share: settings, one round of learning, what is said about it."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import SimulationError
from hhfit.inference._base import Inference
from hhfit.inference._density import Density
from hhfit.inference._failures import Classifier
from hhfit.inference._failures import train as foretell
from hhfit.inference._flows import Flows, initial
from hhfit.inference._scaling import Scaling
from hhfit.inference._training import Training, inputs_shape, likelihood, split, train
from hhfit.inference._truncation import Region
from hhfit.inference._weights import effective
from hhfit.journal import Journal
from hhfit.prior import Prior
from hhfit.sampled import NOTHING, Sampled
from hhfit.simulations import Simulations, join

LARGE = 50_000
"""Simulations per round from which on fewer and larger networks do best."""

ALONE = 16
"""Units of each hidden layer where a single parameter is inferred: larger networks over-fit."""

PASSES = 100
"""Passes over the data that the last round makes, time allowing."""

LEAST_USABLE = 20
"""Fewest simulations that a network is trained on."""

_CHECKED, _DRAWS = 300, 100


@dataclass(frozen=True, eq=False)
class FlowInference(Inference):
    """A method that learns a bounded density.

    Args:
        budget: Rounds and simulations.
        members: Networks in the mixture; 0 for what was calibrated best at that many simulations.
        transforms: Spline layers of each network.
        bins: Bins of each spline.
        hidden: Units of each hidden layer; 0 for what was sharpest with that many parameters and simulations.
        embedding: Numbers that the features are condensed to, beside themselves.
        rate: Learning rate at the start.
        decay: Weight decay.
        batch: Simulations per optimiser step.
        epochs: Most passes over the data in a round.
        steps: Most optimiser steps in the last round; with many simulations so many more as make 100 passes.
        steps_between: Most optimiser steps in all rounds but the last.
        thin: Whether parameters that a classifier of failures gives no hope of a usable simulation are left out.
        lost_mass: Share of usable simulations that this may cost.
        soft: Whether they are accepted with the foretold chance instead, which loses none, and weighed by one over it.
        sampled: Columns of the features that are samples of sweeps, which a recurrent network sums up; none unless
            told.
    """

    members: int = 0
    transforms: int = 3
    bins: int = 8
    hidden: int = 0
    embedding: int = 32
    rate: float = 2e-3
    decay: float = 1e-4
    batch: int = 200
    epochs: int = 300
    steps: int = 14_000
    steps_between: int = 4000
    thin: bool = True
    lost_mass: float = 1e-3
    soft: bool = False
    sampled: Sampled = NOTHING

    @property
    def is_large(self) -> bool:
        """Whether there are so many simulations that fewer and larger networks do best."""
        return self.budget.simulations / self.budget.rounds >= LARGE

    @property
    def networks(self) -> int:
        """Networks in the mixture."""
        return self.members or (1 if self.is_large else 3)

    def size(self, parameters: int) -> dict[str, int]:
        """Size of every network that infers so many parameters."""
        names = ("transforms", "bins", "hidden", "embedding")
        units = 128 if self.is_large else (64 if parameters > 1 else ALONE)
        return {name: getattr(self, name) for name in names} | {"hidden": self.hidden or units}

    def classifier(
        self,
        prior: Prior,
        gathered: list[Simulations],
        ahead: Array,
        seed: np.random.SeedSequence,
        region: Region | None = None,
    ) -> tuple[Classifier | None, dict[str, Any]]:
        """What the next round is thinned by, learned from all rows so far, and what there is to log.

        Where rounds are nested in regions every round may lose its part of ``lost_mass``.
        """
        if not self.thin or len(gathered) == self.budget.rounds:
            return None, {}
        rows = join(gathered)
        u = prior.to_cube(rows.theta)
        if region is None:
            return foretell(u, rows, self.lost_mass, seed, ahead=ahead, soft=self.soft)
        share = self.lost_mass / (self.budget.rounds - 1)
        return foretell(u, rows, share, seed, ahead=ahead, within=region.contains(u), soft=self.soft)

    def steps_of(self, number: int) -> int:
        """Most optimiser steps in a round."""
        return self.steps if number == self.budget.rounds else self.steps_between

    def training(self, steps: int) -> Training:
        """Training settings with at most so many steps."""
        passes = PASSES if self.is_large and steps == self.steps else 0
        return Training(
            rate=self.rate, decay=self.decay, batch=self.batch, epochs=self.epochs, steps=steps, passes=passes
        )


def need_usable(which: Array, where: str) -> None:
    """Raise unless enough simulations can be learned from.

    Raises:
        SimulationError: If fewer than ``LEAST_USABLE`` rows are usable.
    """
    if which.sum() < LEAST_USABLE:
        raise SimulationError(
            f"{where}: {int(which.sum())} of {len(which)} simulations are usable, inference needs at least "
            f"{LEAST_USABLE}; look at their outcomes and narrow the prior or lower the time step"
        )


def learn(
    method: FlowInference,
    simulations: Simulations,
    u: Array,
    weight: Array,
    region: Region,
    *,
    number: int,
    seed: np.random.SeedSequence,
    journal: Journal,
) -> tuple[Density, dict[str, Any]]:
    """A density fitted to simulations whose parameters are spread like the prior within a region.

    Failed rows are left out. That needs no correction as long as failing is a matter of the response, since the
    parameters' distribution given any valid x is then what it was; a failure of the machine (a timeout) makes the
    posterior one given that the machine does not fail.

    Args:
        method: Settings.
        simulations: What to learn from.
        u: Their parameters on the cube, shape ``(N, P)``.
        weight: Weights that spread them like the prior, shape ``(N,)``.
        region: Region that they are spread over; the density lives on its box.
        number: Which round it is, from 1.
        seed: Source of all randomness.
        journal: Hears of progress.

    Returns:
        The density, and what there is to log.
    """
    started, stage = time.monotonic(), f"round {number}: training"
    usable = simulations.usable
    need_usable(usable, stage)
    u, x, weight = u[usable], simulations.x[usable], weight[usable]
    scaling = Scaling.of(x, method.sampled)
    split_seed, train_seed, check_seed = seed.spawn(3)
    how = method.training(method.steps_of(number))
    rows = split(len(u), how.validation, split_seed)
    shape = inputs_shape(scaling, u.shape[1], method.networks, method.size(u.shape[1]))
    start_seed, train_seed = train_seed.spawn(2)
    flows, log = train(
        likelihood((u - region.low) / (region.high - region.low), scaling(x), weight),
        Flows(shape, initial(shape, start_seed), scaling.sampled.inputs),
        rows=rows,
        how=how,
        seed=train_seed,
        progress=lambda done, total, note: journal.progress(stage, done, total, note),
    )
    density = Density(flows, scaling, region.low, region.high, simulations.index[usable][rows[1]])
    log |= {"trained_on": len(u), "not_usable": int((~usable).sum()), "effective_sample_size": effective(weight)}
    log |= coverage(density, u[rows[1]], x[rows[1]], weight[rows[1]], np.random.default_rng(check_seed))
    return density, log | {"seconds": time.monotonic() - started}


def coverage(density: Density, u: Array, x: Array, weight: Array, rng: np.random.Generator) -> dict[str, float]:
    """Share of held-out truths, weighed, within the 50, 80 and 90 % highest-density regions."""
    u, x, weight = u[:_CHECKED], x[:_CHECKED], weight[:_CHECKED]
    own = density.log_prob(u, x)
    many = np.repeat(x, _DRAWS, axis=0)
    drawn = density.log_prob(density.sample(many, rng), many).reshape(len(u), _DRAWS)
    rank = (drawn > own[:, None]).mean(axis=1)
    return {f"coverage_{level}": float(np.average(rank < level / 100, weights=weight)) for level in (50, 80, 90)}


def outcomes(simulations: Simulations) -> dict[str, float]:
    """How many rows there are, and which share failed or has undefined features."""
    undefined = np.isnan(simulations.x[simulations.usable]).any(axis=1)
    return {
        "simulations": len(simulations),
        "failed_share": float((~simulations.usable).mean()),
        "undefined_share": float(undefined.mean()) if len(undefined) else 0.0,
    }


def mass(u: Array, inside: Array) -> dict[str, float]:
    """Mass outside the prior, and within 1 % of any of its bounds, of cube points ``(N, P)``."""
    near = ((u < 0.01) | (u > 0.99)).any(axis=1)
    return {
        "leaked_mass": float(1 - inside.mean()),
        "boundary_mass": float(near.mean()),
        "boundary_mass_of_prior": 1 - 0.98 ** u.shape[1],
    }
