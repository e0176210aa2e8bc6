import numpy as np
import pytest

from hhfit import references
from hhfit.errors import InferenceError
from hhfit.inference import correct
from hhfit.inference._coordinates import Coordinates
from hhfit.inference._gaussians import Gaussians
from hhfit.inference._mixture_rounds import MixturePosterior

PROBLEM = references.LinearGaussian(references.box(2, 2.0), sd=0.3)
X_O = np.array([1.8, 0.0])


def approximation(mean, sd):
    """A normal density cut off at the prior, given in units of the prior's sd."""
    density = Gaussians(np.ones(1), np.array([mean]), np.eye(2)[None] / sd**2)
    return MixturePosterior(Coordinates(PROBLEM.prior, "natural"), density, np.random.SeedSequence(0))


def likelihood(theta):
    return PROBLEM.log_likelihood(theta, X_O)


def test_wrong_posterior_becomes_the_exact_one():
    found = correct(approximation([1.2, 0.3], 0.5), likelihood, n=20_000, draws=40_000, seed=1)
    mean, covariance = PROBLEM.moments(X_O)
    assert found.is_sound
    # worth thousands of draws: standard error of the mean below 0.005
    np.testing.assert_allclose(found.theta.mean(axis=0), mean, atol=0.02)
    np.testing.assert_allclose(found.theta.std(axis=0), np.sqrt(np.diag(covariance)), rtol=0.05)


def test_too_narrow_posterior_is_called_unsound():
    found = correct(approximation([1.5, 0.15], 0.03), likelihood, n=100, draws=5000, seed=1)
    assert not found.is_sound


def test_posterior_that_cannot_explain_the_observation_is_refused():
    with pytest.raises(InferenceError, match="none of 100 draws"):
        correct(approximation([0.0, 0.0], 0.5), lambda t: np.full(len(t), -np.inf), n=10, draws=100, seed=1)
