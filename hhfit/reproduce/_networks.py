"""What a recorded mixture-density network says about any observation, and about its own weights."""

import numpy as np

from hhfit.arrays import Array
from hhfit.inference._coordinates import Coordinates
from hhfit.inference._gaussians import Gaussians
from hhfit.inference._mixture_rounds import Scores, carried
from hhfit.inference._mixtures import Layout, Network
from hhfit.journal import Arrays
from hhfit.prior import Prior


def density_of(arrays: Arrays, prior: Prior, theta: Array) -> Array:
    """Density of a recorded posterior at parameters ``(N, P)``, also where they lie outside the prior."""
    place = Coordinates(prior, "natural")
    mixture = Gaussians.from_arrays("posterior", arrays)
    return np.exp(mixture.log_prob(place.to(theta)) + place.log_volume(theta))


def proposal_of(arrays: Arrays, prior: Prior, theta: Array) -> Array:
    """Density of the Gaussian that a recorded posterior is projected to, at parameters ``(N, P)``."""
    place = Coordinates(prior, "natural")
    mixture = Gaussians.from_arrays("posterior", arrays).projected()
    return np.exp(mixture.log_prob(place.to(theta)) + place.log_volume(theta))


def conditional(arrays: Arrays, prior: Prior, layout: Layout, x: Array, theta: Array) -> Array:
    """Density at parameters ``(N, P)`` given each observation ``(M, F)``, shape ``(N, M)``."""
    place, scores = Coordinates(prior, "natural"), Scores.from_arrays(arrays)
    weights = {name[4:]: value for name, value in arrays.items() if name.startswith("net.")}
    network = Network(layout, weights, True)
    y, volume = place.to(theta), place.log_volume(theta)
    return np.stack([np.exp(network.at(row).log_prob(y) + volume) for row in scores(x)], axis=1)


def divergence(new: Arrays, old: Arrays) -> dict[str, float]:
    """Terms of the KL divergence between the weight distributions of two rounds, both for the new round's inputs.

    Returns:
        ``log_determinants`` log|S_old| - log|S_new|, ``trace`` tr(S_old^-1 S_new) - d, ``means`` the quadratic term,
        and ``total``, half of their sum.
    """
    old = {f"net.{name}": value for name, value in carried(old, Scores.from_arrays(new)).items()}
    terms = {"log_determinants": 0.0, "trace": 0.0, "means": 0.0}
    for name in new:
        if name.startswith("net.s."):
            mean = name.replace("net.s.", "net.m.")
            terms["log_determinants"] += float(2 * (old[name] - new[name]).sum())
            terms["trace"] += float((np.exp(2 * (new[name] - old[name])) - 1).sum())
            terms["means"] += float((((new[mean] - old[mean]) * np.exp(-old[name])) ** 2).sum())
    return terms | {"total": sum(terms.values()) / 2}
