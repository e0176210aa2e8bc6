"""Features of later rounds are scored anew, and the network stays the function that it was."""

import numpy as np
import pytest

from hhfit import inference
from hhfit.inference import Budget, _mixtures
from hhfit.inference._mixture_rounds import Scores, scored
from hhfit.journal import Memory
from hhfit.references import LinearGaussian, box


@pytest.fixture
def known():
    """A network's weights as a first round records them, and features of that and of a later, narrower round."""
    rng = np.random.default_rng(1)
    first, later = 40 * rng.standard_normal((500, 3)) + 7, 2 * rng.standard_normal((300, 3)) + 30
    weights = _mixtures.initial(_mixtures.Layout(3, 2, 2, (8,)), np.random.SeedSequence(1))
    return Scores.of(first, np.full(3, 30.0)).arrays() | {
        f"net.{name}": value for name, value in weights.items()
    }, later


def mixture(weights, inputs):
    network = _mixtures.Network(_mixtures.Layout(3, 2, 2, (8,)), weights, True)
    return network.at(inputs)


def test_the_function_stays(known):
    arrays, later = known
    later[:, 2] = np.nan
    x = np.array([31.0, 28.0, np.nan])
    new, weights = scored(arrays, later, x)
    old = {name[4:]: value for name, value in arrays.items() if name.startswith("net.")}
    before, after = mixture(old, Scores.from_arrays(arrays)(x[None])[0]), mixture(weights, new(x[None])[0])
    np.testing.assert_allclose(after.mean, before.mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(after.precision, before.precision, rtol=1e-4)


def test_later_rounds_fill_their_scale(known):
    new, _ = scored(*known, np.full(3, 30.0))
    np.testing.assert_allclose(new(known[1]).std(axis=0), 1.0, rtol=1e-5)


def test_an_observation_is_never_far_out(known):
    arrays, later = known
    x_o = np.array([30.0, 500.0, np.nan])
    new, _ = scored(arrays, later, x_o)
    assert np.nanmax(np.abs(new(x_o[None]))) <= 3.0001


def test_features_that_no_longer_vary_keep_their_scale(known):
    arrays, later = known
    later[:, 1] = 4.0
    new, _ = scored(arrays, later, np.full(3, 30.0))
    assert (new.mean[1], new.sd[1]) == (arrays["scores.mean"][1], arrays["scores.sd"][1])
    assert new.sd[0] < 0.1 * arrays["scores.sd"][0]


def test_runaways_do_not_set_the_scale():
    x = np.random.default_rng(2).normal(30.0, 4.0, (1000, 1))
    x[:400] = -(10.0 ** np.random.default_rng(3).uniform(2, 30, (400, 1)))
    scores = Scores.of(x, np.array([31.0]))
    inputs = scores(x)
    assert np.isfinite(inputs).all()
    assert np.abs(inputs).max() < 5
    # what is not a runaway is told apart: 4 of its own units are at least a thirtieth of the scale
    assert inputs[400:].std() > 1 / 30


@pytest.mark.parametrize(("method", "anew"), [("snpe_a", False), ("snpe_b", True)])
def test_snpe_a_alone_keeps_the_first_scale(method, anew):
    problem, journal = LinearGaussian(box(2, 1.0)), Memory()
    inference.get(method, Budget(400, 2), epochs=5).fit(problem.prior, problem.simulate, np.zeros(2), 0, journal)
    first, second = (Scores.from_arrays(journal.recall(f"round-0{k}")) for k in (1, 2))
    assert (not np.array_equal(first.sd, second.sd)) == anew
