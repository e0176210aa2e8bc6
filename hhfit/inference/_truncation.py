"""Regions of the prior that later rounds are confined to, and uniform draws from them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import SimulationError
from hhfit.inference._density import Density
from hhfit.inference._failures import Classifier, kept, sift, thinning_weights
from hhfit.inference._weights import effective

LEAST_INSIDE = 0.05
"""Least share of a density's mass inside a region for the two to go together."""

LEAST_KEPT = 0.003
"""Least share of a region that the next truncation keeps."""

FULL = 0.75
"""A truncation that leaves more of its box than this to the power of the number of parameters is the box itself.

Densities learn the straight edges of a box by construction and a curved edge only from many simulations. Ten parameters
of equal width, of which a tenth of the box is left, gain by it (C2ST 0.55 instead of 0.60 from 10,000 simulations); a
neuron of eight parameters, of whose box every round leaves less than a tenth, needs the edges (the distance of
predictions from a recording doubles or worse with boxes alone).
"""

_PILOT = 4000
_DRAWS = 20_000
_LEAST_SEEDS = 20
_MARGIN = 0.05
_EVALUATIONS = 300_000
_SWEEPS = (40, 150)


@dataclass(frozen=True, eq=False)
class Cut:
    """One truncation: where a round's density is high, within a box.

    Args:
        density: Density of that round.
        threshold: Least log density inside.
        low: Lower corner of the box, shape ``(P,)``.
        high: Upper corner, shape ``(P,)``.
        classifier: Tells where usable simulations are possible; anywhere without one. A soft one cuts off nothing.
    """

    density: Density
    threshold: float
    low: Array
    high: Array
    classifier: Classifier | None = None

    def contains(self, u: Array, x_o: Array) -> Array:
        """Whether each cube point ``(N, P)`` lies inside, shape ``(N,)``."""
        inside = ((u >= self.low) & (u <= self.high)).all(axis=1)
        inside[inside] = kept(self.classifier, u[inside])
        inside[inside] = self.density.log_prob(u[inside], x_o[None]) >= self.threshold
        return inside


@dataclass(frozen=True, eq=False)
class Region:
    """The part of the prior's cube that all truncations so far leave.

    Args:
        x_o: Observed features, shape ``(F,)``.
        size: Dimensions of the cube P.
        cuts: Truncations, oldest first.
    """

    x_o: Array
    size: int
    cuts: tuple[Cut, ...] = ()

    @property
    def low(self) -> Array:
        """Lower corner of a box around it, shape ``(P,)``."""
        return self.cuts[-1].low if self.cuts else np.zeros(self.size)

    @property
    def high(self) -> Array:
        """Upper corner of that box, shape ``(P,)``."""
        return self.cuts[-1].high if self.cuts else np.ones(self.size)

    def contains(self, u: Array) -> Array:
        """Whether each cube point ``(N, P)`` lies in it, shape ``(N,)``."""
        inside = ((u >= self.low) & (u <= self.high)).all(axis=1)
        for cut in reversed(self.cuts):
            inside[inside] = cut.contains(u[inside], self.x_o)
        return inside

    def cut_by(self, cut: Cut) -> "Region":
        """What a further truncation leaves of this region."""
        return Region(self.x_o, self.size, (*self.cuts, cut))

    def propose(self, density: Density, quantile: float, seed: np.random.SeedSequence) -> Cut:
        """The truncation that gives up the lowest part of a newer density.

        Nothing is given up where the density has less than 5 % of its mass in the region: the two then contradict
        each other, and more simulations of the same region must decide. At least ``LEAST_KEPT`` of the region is kept
        whatever the density says: early densities extrapolate, and are too sure of it, when the observation is unlike
        the simulations, as recordings are. What nearly fills its box is not cut by the density, but by the box alone,
        unless an earlier density has cut already.

        Args:
            density: Density on this region's box.
            quantile: Share of its mass that is given up.
            seed: Source of the draws that estimate the threshold.
        """
        draw_seed, region_seed, box_seed = seed.spawn(3)
        u = density.sample_one(_DRAWS, self.x_o, np.random.default_rng(draw_seed))
        u = u[self.contains(u)]
        if len(u) < LEAST_INSIDE * _DRAWS:
            return Cut(density, -np.inf, self.low, self.high)
        height = density.log_prob(u, self.x_o[None])
        even, _ = self.sample(_PILOT, region_seed)
        height_even = density.log_prob(even, self.x_o[None])
        threshold = float(min(np.quantile(height, quantile), np.quantile(height_even, 1.0 - LEAST_KEPT)))
        u = np.concatenate([u[height >= threshold], even[height_even >= threshold]])
        margin = _MARGIN * (u.max(axis=0) - u.min(axis=0)) + 1e-6
        low, high = np.maximum(u.min(axis=0) - margin, self.low), np.minimum(u.max(axis=0) + margin, self.high)
        if any(np.isfinite(cut.threshold) for cut in self.cuts):
            return Cut(density, threshold, low, high)
        box = Region(self.x_o, self.size, (*self.cuts, Cut(density, -np.inf, low, high)))
        within = box._box(_PILOT, np.random.default_rng(box_seed))
        if len(within) < _LEAST_SEEDS:
            return Cut(density, threshold, low, high)
        share = float((density.log_prob(within, self.x_o[None]) >= threshold).mean())
        return Cut(density, -np.inf if share > FULL**self.size else threshold, low, high)

    def proposals(self, n: int, seed: np.random.SeedSequence) -> tuple[Array, Array, dict[str, float | str]]:
        """Draws to simulate, shape ``(n, P)``, weights that spread them evenly ``(n,)``, and how they were made.

        They are even but for soft thinning by the newest classifier.
        """
        soft = self.cuts[-1].classifier if self.cuts else None
        if soft is None or not soft.soft:
            u, log = self.sample(n, seed)
            return u, np.ones(n), log
        draw_seed, thin_seed = seed.spawn(2)
        logs: list[dict[str, float | str]] = []

        def draw(count: int) -> Array:
            u, log = self.sample(max(count, 1), *draw_seed.spawn(1))
            logs.append(log)
            return u[:count]

        u, share = sift(draw, n, soft, np.random.default_rng(thin_seed))
        return u, thinning_weights(soft, u), logs[-1] | {"kept_proposals": share}

    def sample(self, n: int, seed: np.random.SeedSequence) -> tuple[Array, dict[str, float | str]]:
        """Uniform draws, shape ``(n, P)``, and how they were made.

        Rejection from the box where that takes few trials. Else the newest density is sampled, resampled with weights
        one over its height, and the points then walk, each by differences of others, which leaves the uniform
        distribution on the region unchanged. Both do a bounded number of evaluations.
        """
        rng = np.random.default_rng(seed)
        if not self.cuts:
            return rng.random((n, self.size)), {"sampler": "prior", "accepted_prior_fraction": 1.0}
        volume = float(np.prod(self.high - self.low))
        kept = self._box(_PILOT, rng)
        share = len(kept) / _PILOT
        if share * _EVALUATIONS < 1.2 * n:
            return self._walk(n, rng)
        while len(kept) < n:
            kept = np.concatenate([kept, self._box(max(int(1.1 * (n - len(kept)) / share), 100), rng)])
        return kept[:n], {"sampler": "rejection", "accepted_prior_fraction": volume * share}

    def _box(self, n: int, rng: np.random.Generator) -> Array:
        u = self.low + (self.high - self.low) * rng.random((n, self.size))
        return u[self.contains(u)]

    def _walk(self, n: int, rng: np.random.Generator) -> tuple[Array, dict[str, float | str]]:
        for cut in reversed(self.cuts):
            u = cut.density.sample_one(max(10 * n, _DRAWS), self.x_o, rng)
            inside = self.contains(u)
            if inside.sum() >= _LEAST_SEEDS:
                break
        else:
            raise SimulationError("the densities of earlier rounds exclude each other; use fewer rounds or method npe")
        log_weight = -cut.density.log_prob(u[inside], self.x_o[None])
        weight = np.exp(log_weight - log_weight.max())
        fraction = weight.sum() / len(u) * np.exp(log_weight.max())
        u = u[inside][rng.choice(int(inside.sum()), n, p=weight / weight.sum())]
        moved, sweeps = 0, int(np.clip(_EVALUATIONS // n, *_SWEEPS))
        for _ in range(sweeps):
            halves = np.array_split(rng.permutation(n), 2)
            for own, other in (halves, halves[::-1]):
                a, b = rng.choice(other, (2, len(own)))
                reach = rng.uniform(0.0, 2.4 / np.sqrt(2 * self.size), (len(own), 1))
                jitter = 1e-3 * (self.high - self.low) * rng.standard_normal((len(own), self.size))
                trial = u[own] + reach * (u[a] - u[b]) + jitter
                good = self.contains(trial)
                u[own[good]] = trial[good]
                moved += int(good.sum())
        log = {"sampler": "resampling and walk", "accepted_prior_fraction": float(fraction)}
        return u, log | {"walk_accepted": moved / (n * sweeps), "effective": effective(weight)}


def arrays(cut: Cut) -> dict[str, Array]:
    """All of a truncation but its density, by name."""
    own = {"cut.threshold": np.array(cut.threshold), "cut.low": cut.low, "cut.high": cut.high}
    return own | (cut.classifier.arrays() if cut.classifier else {})


def from_arrays(density: Density, recorded: Mapping[str, Array]) -> Cut:
    """The truncation whose ``arrays`` were recorded."""
    threshold, classifier = float(recorded["cut.threshold"]), Classifier.from_arrays(recorded)
    return Cut(density, threshold, recorded["cut.low"], recorded["cut.high"], classifier)
