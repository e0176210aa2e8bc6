"""What the methods with mixture-density networks share: settings, proposals, scaling, the posterior."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InferenceError
from hhfit.inference import _mixtures
from hhfit.inference._base import Inference
from hhfit.inference._coordinates import Coordinates
from hhfit.inference._cut import draw
from hhfit.inference._failures import Classifier, accepted, thinning_weights, train
from hhfit.inference._gaussians import Gaussians
from hhfit.journal import Journal
from hhfit.posterior import Posterior
from hhfit.prior import Prior
from hhfit.simulations import Simulate, Simulations, join

_TRIES = 50
_RESAMPLED = 20
_LEAST_KEPT = 0.02
_DRAWS = 20_000
_FAR = 3.0
_REACH = 10.0


@dataclass(frozen=True, eq=False)
class MixtureInference(Inference):
    """A method that learns a mixture-density network.

    Args:
        budget: Rounds and simulations.
        components: Gaussians in the mixture.
        hidden: Units of each hidden layer.
        epochs: Passes over the data in every round.
        batch: Simulations per step.
        rate: Learning rate at the start; it falls to zero along a cosine.
        clip: Largest norm of the gradient.
        svi: Whether weights have a distribution (stochastic variational inference) or only values.
        precision: Precision of the weights' prior about zero.
        pull: Factor of the divergence of the weights' distribution.
        space: ``"natural"``, as published; ``"truncated"``, where Gaussians are cut off at the prior's bounds; or
            ``"probit"``, where there are none.
        thin: Whether parameters that a classifier of failures gives no hope of a usable simulation are left out.
        lost_mass: Share of usable simulations that this may cost.
        soft: Whether they are accepted with the foretold chance instead, which loses none, and weighed by one over it.
    """

    components: int = 1
    hidden: tuple[int, ...] = (50,)
    epochs: int = 200
    batch: int = 100
    rate: float = 1e-3
    clip: float = 5.0
    svi: bool = True
    precision: float = 0.01
    pull: float = 1.0
    space: str = "natural"
    thin: bool = True
    lost_mass: float = 1e-3
    soft: bool = False

    @property
    def per_round(self) -> list[int]:
        """Simulations of each round."""
        return self.budget.per_round

    def fit(self, prior: Prior, simulate: Simulate, x_o: Array, seed: int, journal: Journal) -> Posterior:
        """Infer the posterior of one observation."""
        place = Coordinates(prior, self.space)
        x_o = np.asarray(x_o, dtype=float)
        turns: list[Turn] = []
        arrays: dict[str, Array] = {}
        posterior: MixturePosterior | None = None
        classifier: Classifier | None = None
        for number, n in enumerate(self.per_round, start=1):
            seeds = np.random.SeedSequence((seed, number)).spawn(4)
            proposal = None if posterior is None else self._proposal(place, posterior.density)
            if proposal is not None:
                classifier = trusted(classifier, proposal, place, seeds[2])
            source = Source(place, proposal, classifier, seeds[2])
            theta, weight, share = self._propose(source, n, np.random.default_rng(seeds[0]))
            rows = simulate(theta, sum(len(turn.rows) for turn in turns))
            turns.append(Turn(rows, weight, source))
            found = journal.recall(f"round-{number:02d}")
            if found is None:
                arrays, log = self._learn(place, turns, arrays, seed=seeds[1], x_o=x_o, journal=journal)
            else:
                arrays = dict(found)
            posterior = MixturePosterior(place, Gaussians.from_arrays("posterior", arrays), seeds[2])
            classifier = Classifier.from_arrays(arrays)
            if found is None:
                classifier, foretold = self.classifier(posterior, [turn.rows for turn in turns], seeds[3])
                log |= {"accepted_proposals": share} | said(posterior, number) | foretold
                journal.record(f"round-{number:02d}", arrays | (classifier.arrays() if classifier else {}), log)
        assert posterior is not None, "a budget has at least one round"
        return posterior

    @abstractmethod
    def _proposal(self, place: Coordinates, density: Gaussians) -> Gaussians:
        """What the next round draws from, given the last posterior."""

    @abstractmethod
    def _propose(self, source: "Source", n: int, rng: np.random.Generator) -> tuple[Array, Array, float]:
        """Parameters ``(n, P)`` of a round, their weights ``(n,)``, and the share of draws that were accepted."""

    @abstractmethod
    def _learn(
        self,
        place: Coordinates,
        turns: list["Turn"],
        arrays: dict[str, Array],
        *,
        seed: np.random.SeedSequence,
        x_o: Array,
        journal: Journal,
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """The newest round's network and posterior, as arrays to keep, and what there is to log.

        Args:
            place: The coordinates.
            turns: All rounds so far.
            arrays: What the round before kept; nothing in the first.
            seed: Source of all randomness.
            x_o: The observation, shape ``(F,)``.
            journal: Hears of progress.
        """

    def classifier(
        self, posterior: "MixturePosterior", gathered: list[Simulations], seed: np.random.SeedSequence
    ) -> tuple[Classifier | None, dict[str, Any]]:
        """What the next round is thinned by, learned from all rows so far, and what there is to log."""
        if not self.thin or len(gathered) == self.budget.rounds:
            return None, {}
        rows, prior = join(gathered), posterior.prior
        ahead = prior.to_cube(posterior.sample(2000, len(gathered)))
        return train(prior.to_cube(rows.theta), rows, self.lost_mass, seed, ahead=ahead, soft=self.soft)


@dataclass(frozen=True, eq=False)
class Source:
    """What the parameters of one round are drawn from.

    Args:
        place: The coordinates.
        proposal: The density there; the prior in the first round.
        classifier: Tells which draws are simulated; all without one.
        seed: Source of the draws that estimate masses.
    """

    place: Coordinates
    proposal: Gaussians | None
    classifier: Classifier | None
    seed: np.random.SeedSequence

    @cached_property
    def mass(self) -> float:
        """Share of the proposal's mass that lies inside the prior and is simulated."""
        if self.proposal is None:
            return self.prior_mass
        return inside_mass(self.proposal, self.place, np.random.default_rng(self.seed), self.classifier)

    @cached_property
    def prior_mass(self) -> float:
        """Share of the prior that is simulated."""
        if self.classifier is None:
            return 1.0
        u = np.random.default_rng(self.seed).random((_DRAWS, self.place.prior.n_parameters))
        return max(float(self.classifier.acceptance(u).mean()), 1 / _DRAWS)

    def odds(self, theta: Array, defensive: float) -> Array:
        """Density of what is simulated over that of the prior, at parameters ``(N, P)``, shape ``(N,)``.

        Args:
            theta: Parameters inside the prior.
            defensive: Share that is drawn from the prior instead of the proposal.
        """
        ratio = np.full(len(theta), 1 / self.prior_mass)
        if self.proposal is not None:
            height = self.proposal.log_prob(self.place.to(theta)) - self.place.log_prior(theta) - np.log(self.mass)
            with np.errstate(over="ignore"):
                ratio = defensive * ratio + (1 - defensive) * np.exp(height)
        if self.classifier is None:
            return ratio
        return ratio * self.classifier.acceptance(self.place.prior.to_cube(theta))


@dataclass(frozen=True, eq=False)
class Turn:
    """One round's simulations.

    Args:
        rows: The simulations.
        weight: What each counts in the loss, shape ``(N,)``.
        source: What their parameters were drawn from.
    """

    rows: Simulations
    weight: Array
    source: Source


@dataclass(frozen=True, eq=False)
class Scores:
    """Features as z-scores about an observation's surroundings.

    A feature that lies ten times further from the observation than most do is taken to lie just there: else a few
    runaways set the scale, and all the rest looks alike to a network.

    Args:
        mean: Mean of every feature, shape ``(F,)``.
        sd: Standard deviation, 1 where it would be zero, shape ``(F,)``.
        low: Least value that is told apart from lower ones, shape ``(F,)``.
        high: Largest value that is told apart from higher ones, shape ``(F,)``.
    """

    mean: Array
    sd: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, x: Array, x_o: Array) -> "Scores":
        """Fitted to features ``(N, F)`` about an observation ``(F,)``, undefined values left out."""
        return cls(*np.array([_surroundings(*pair) for pair in zip(x.T, x_o, strict=True)]).T)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> "Scores":
        """The scores whose ``arrays`` were recorded."""
        return cls(*(np.asarray(arrays[f"scores.{name}"]) for name in ("mean", "sd", "low", "high")))

    def arrays(self) -> dict[str, Array]:
        """All that defines them, by name."""
        return {f"scores.{name}": getattr(self, name) for name in ("mean", "sd", "low", "high")}

    def of_round(self, x: Array, x_o: Array) -> "Scores":
        """Fitted to a later round's features ``(N, F)``, on which an observation ``(F,)`` is at most 3 away.

        Later rounds see a small part of the first one's features, and a network learns it slowly from inputs that
        hardly vary. Features that no longer vary keep their scale.
        """
        new = Scores.of(x, x_o)
        varies = np.array([len(np.unique(column[np.isfinite(column)])) > 1 for column in x.T])
        far = np.where(np.isfinite(x_o), np.abs(x_o - new.mean), 0.0) / _FAR
        sd = np.maximum(new.sd, far)
        pairs = ((new.mean, self.mean), (sd, self.sd), (new.low, self.low), (new.high, self.high))
        return Scores(*(np.where(varies, fresh, kept) for fresh, kept in pairs))

    def __call__(self, x: Array) -> Array:
        """Scores of features ``(N, F)``; NaN where undefined."""
        x = np.where(np.isfinite(x), x, np.nan).clip(self.low, self.high)
        return ((x - self.mean) / self.sd).astype(np.float32)


def _surroundings(column: Array, at: float) -> tuple[float, float, float, float]:
    """Mean and sd of one feature, and the limits about an observation that it is told apart within."""
    column = column[np.isfinite(column)]
    if not len(column):
        return 0.0, 1.0, -np.inf, np.inf
    reach = _REACH * float(np.median(np.abs(column - at))) if np.isfinite(at) else 0.0
    low, high = (at - reach, at + reach) if reach > 0 else (-np.inf, np.inf)
    column = column.clip(low, high)
    return float(column.mean()), float(column.std()) or 1.0, low, high


def scored(arrays: Mapping[str, Array], x: Array, x_o: Array, *, anew: bool = True) -> tuple[Scores, dict[str, Array]]:
    """Scores for a round, and the weights that make the network of the round before the same function of them.

    Args:
        arrays: What the round before recorded; nothing in the first round.
        x: Features of the round's usable simulations, shape ``(N, F)``.
        x_o: The observation, shape ``(F,)``.
        anew: Whether every round is scaled by itself; else all are as the first.

    Returns:
        The scores, and the weights by name; none in the first round.
    """
    if not arrays:
        return Scores.of(x, x_o), {}
    old = Scores.from_arrays(arrays)
    new = old.of_round(x, x_o) if anew else old
    return new, carried(arrays, new)


def carried(arrays: Mapping[str, Array], new: Scores) -> dict[str, Array]:
    """Weights, by name, of the network that a round recorded, as the same function of other scores."""
    old = Scores.from_arrays(arrays)
    weights = {name[4:]: value for name, value in arrays.items() if name.startswith("net.")}
    return _mixtures.rescaled(weights, (new.mean - old.mean) / old.sd, new.sd / old.sd)


def draw_inside(
    density: Gaussians, place: Coordinates, n: int, rng: np.random.Generator, classifier: Classifier | None = None
) -> tuple[Array, float]:
    """Draws from a mixture, redrawn where they fall outside the prior, and the share that fell inside.

    With a classifier of failures they are also redrawn where it does not accept them.

    At most 50 ``n`` draws are made; what is then missing is resampled from draws that are made inside the bounds, by
    their weights.

    Raises:
        InferenceError: If the classifier accepts none.

    Returns:
        Parameters, shape ``(n, P)``, and the share.
    """
    kept: list[Array] = []
    tried = inside = 0
    while inside < n and tried < _TRIES * n:
        more = max(n, 1000)
        theta = place.back(density.sample(more, rng))
        theta = theta[place.prior.contains(theta)]
        theta = theta[accepted(classifier, place.prior.to_cube(theta), rng)]
        kept.append(theta)
        tried, inside = tried + more, inside + len(theta)
    if inside < n:
        kept.append(_resampled(density, place, n - inside, rng, classifier))
    return np.concatenate(kept)[:n], inside / tried


def _resampled(
    density: Gaussians, place: Coordinates, n: int, rng: np.random.Generator, classifier: Classifier | None
) -> Array:
    """Draws from what a mixture leaves inside the prior, shape ``(n, P)``, where hardly any of its mass is there."""
    from scipy.special import softmax

    theta, weight = _inside(density, place, max(_RESAMPLED * n, _DRAWS), rng)
    rows = accepted(classifier, place.prior.to_cube(theta), rng)
    if not rows.any():
        raise InferenceError(
            f"the classifier of failures accepts none of {len(theta)} draws of the Gaussian density; use thin=False"
        )
    chance = softmax(weight[rows])
    return theta[rows][rng.choice(len(chance), n, p=chance)]


def _inside(density: Gaussians, place: Coordinates, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Parameters inside the prior ``(n, P)`` and log weights ``(n,)`` that make them draws from a mixture there."""
    points, weight = draw(density, place.bounds, n, rng)
    theta = place.back(points)
    low, high = place.prior.support.T
    return theta.clip(low, high), weight


class MixturePosterior(Posterior):
    """A mixture of Gaussians in some coordinates, cut off at the prior's bounds.

    Args:
        place: The coordinates.
        density: The mixture there.
        seed: Source of the draws that estimate the mass inside the prior.
    """

    def __init__(self, place: Coordinates, density: Gaussians, seed: np.random.SeedSequence) -> None:
        self.place, self.density = place, density
        self.inside = inside_mass(density, place, np.random.default_rng(seed))

    @property
    def prior(self) -> Prior:
        """The prior it was inferred under."""
        return self.place.prior

    def sample(self, n: int, seed: int) -> Array:
        """Draw ``n`` parameter sets, shape ``(n, P)``."""
        return draw_inside(self.density, self.place, n, np.random.default_rng(seed))[0]

    def log_prob(self, theta: Array) -> Array:
        """Log density of parameters ``(N, P)``, shape ``(N,)``; minus infinity outside the prior."""
        theta = np.asarray(theta, dtype=float)
        value = np.where(self.prior.contains(theta), 0.0, -np.inf)
        rows = np.isfinite(value)
        height = self.density.log_prob(self.place.to(theta[rows])) + self.place.log_volume(theta[rows])
        value[rows] = height - np.log(self.inside)
        return value


def thinned(source: Source, n: int, rng: np.random.Generator) -> tuple[Array, Array, float]:
    """Draws from the proposal itself, ``(n, P)``, weights that undo soft thinning ``(n,)``, and the share accepted."""
    prior = source.place.prior
    if source.proposal is None:
        return prior.from_cube(rng.random((n, prior.n_parameters))), np.ones(n), 1.0
    theta, share = draw_inside(source.proposal, source.place, n, rng, source.classifier)
    return theta, thinning_weights(source.classifier, prior.to_cube(theta)), share


def inside_mass(
    density: Gaussians, place: Coordinates, rng: np.random.Generator, classifier: Classifier | None = None
) -> float:
    """Share of a mixture's mass that lies inside the prior, and is simulated where there is a classifier."""
    if place.space == "probit" and classifier is None:
        return 1.0
    theta, weight = _inside(density, place, _DRAWS, rng)
    chance = classifier.acceptance(place.prior.to_cube(theta)) if classifier else np.ones(_DRAWS)
    return max(float((chance * np.exp(weight)).mean()), np.finfo(float).tiny)


def trusted(
    classifier: Classifier | None, proposal: Gaussians, place: Coordinates, seed: np.random.SeedSequence
) -> Classifier | None:
    """The classifier, unless it would cut off nearly all of a proposal: the two then contradict each other."""
    if classifier is None or inside_mass(proposal, place, np.random.default_rng(seed), classifier) < _LEAST_KEPT:
        return None
    return classifier


def said(posterior: MixturePosterior, number: int) -> dict[str, Any]:
    """Leaked, cut off and boundary mass, for the log."""
    near = posterior.prior.to_cube(posterior.sample(2000, number))
    outside = 1 - posterior.inside
    return {
        "leaked_mass": 0.0 if posterior.place.cut is not None else outside,
        "mass_cut_off": outside,
        "boundary_mass": float(((near < 0.01) | (near > 0.99)).any(axis=1).mean()),
        "boundary_mass_of_prior": 1 - 0.98**posterior.prior.n_parameters,
    }
