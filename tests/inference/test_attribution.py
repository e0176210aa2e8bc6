"""Which feature informs which parameter, where the answer is known."""

import numpy as np
import pytest

from hhfit.inference import attribute
from hhfit.inference._attribution import hidden_inputs
from hhfit.inference._scaling import Scaling
from hhfit.journal import Memory
from hhfit.prior import Marginal, Prior
from hhfit.sampled import NOTHING, Sampled
from hhfit.simulations import Simulations

PRIOR = Prior(("a", "b", "c"), ("1", "1", "1"), (Marginal("uniform", 0.0, 1.0),) * 3)
GROUPS = {"of a": np.array([0]), "of b": np.array([1]), "of b again": np.array([2])}


def simulations(n=1500):
    """The first feature tells a, the other two tell b alike; nothing tells c."""
    theta = PRIOR.sample(n, 1)
    x = theta[:, [0, 1, 1]] + 0.05 * np.random.default_rng(2).standard_normal((n, 3))
    x[::7, 2] = np.nan
    return Simulations(theta, x, np.zeros(n), np.arange(n))


@pytest.fixture(scope="module")
def found():
    x_o = np.array([0.5, 0.4, 0.4])
    return attribute(simulations(), PRIOR, x_o, GROUPS, sampled=NOTHING, seed=1, journal=Memory())


def test_information_of_one_feature_is_that_of_its_noise(found):
    # a normal of sd 0.05 within a range of 1: 2.3 bit; a small network learns most of it
    bits = -np.log2(0.05 * np.sqrt(2 * np.pi * np.e))
    alone = np.array(found["alone"])
    assert alone[0, 0] == pytest.approx(bits, abs=0.5)
    assert alone[1, 1] == pytest.approx(bits, abs=0.5)
    silent = np.abs(alone[[0, 0, 1, 1], [1, 2, 0, 2]])
    assert silent.max() < 0.2


def test_feature_that_another_can_replace_is_not_missed(found):
    lost = np.array(found["lost"])
    assert lost[0, 0] > 1.5
    assert lost[1, 1] < 0.8
    assert found["all"][2] == pytest.approx(0.0, abs=0.2)


def test_too_few_simulations_are_said():
    found = attribute(simulations(60), PRIOR, np.zeros(3), GROUPS, sampled=NOTHING, seed=1, journal=Memory())
    assert found["reason"] == "60 simulations of the prior are usable, fewer than 200"


def test_samples_and_features_are_hidden_by_their_columns():
    sampled = Sampled(np.array([[1, 2], [4, 5]]), np.zeros((2, 2)), units=4, stride=1)
    scaling = Scaling.of(np.random.default_rng(0).random((50, 6)), sampled)
    hidden = hidden_inputs(scaling, [np.array([0, 3]), np.array([1, 2, 4, 5])], 6)
    assert hidden.astype(int).tolist() == [[1, 1, 0, 0] * 3 + [0] * 4, [0, 0, 1, 1] * 3 + [1] * 4]
