import numpy as np
import pytest

from hhfit.discrepancy import Discrepancy
from hhfit.simulations import Simulations


def simulations(x, index=None):
    index = np.arange(len(x)) if index is None else index
    return Simulations(np.zeros((len(x), 1)), x, np.zeros(len(x)), index)


@pytest.fixture
def prior():
    return simulations(np.random.default_rng(0).normal(5.0, 2.0, (4000, 2)))


def test_noise_has_the_size_that_was_asked_for(prior):
    centre = simulations(np.tile(np.median(prior.x, axis=0), (4000, 1)))
    noisy = Discrepancy.of(prior, 0.1, seed=1)(centre).x
    width = np.diff(np.quantile(prior.x, [0.25, 0.75], axis=0), axis=0)[0] / 2
    # sd of 4000 draws: 1.1 %
    np.testing.assert_allclose(noisy.std(axis=0), 0.1 * width, rtol=0.06)


def test_noise_is_relative_in_the_tails(prior):
    far = simulations(np.full((2000, 2), 500.0))
    noisy = Discrepancy.of(prior, 0.1, seed=1)(far).x
    np.testing.assert_allclose(noisy.std(axis=0), 0.1 * 495.0, rtol=0.1)


def test_noise_of_a_row_depends_on_its_index_alone(prior):
    noise = Discrepancy.of(prior, 0.1, seed=1)
    part = noise(prior.rows(np.array([7, 3])))
    np.testing.assert_array_equal(part.x, noise(prior).x[[7, 3]])


def test_another_seed_gives_other_noise(prior):
    assert (Discrepancy.of(prior, 0.1, seed=1)(prior).x != Discrepancy.of(prior, 0.1, seed=2)(prior).x).all()


def test_undefined_stays_undefined_and_constant_stays_constant(prior):
    x = prior.x.copy()
    x[::2, 0] = np.nan
    x[:, 1] = 3.0
    noisy = Discrepancy.of(simulations(x), 0.1, seed=1)(simulations(x)).x
    assert np.isnan(noisy[::2, 0]).all()
    assert np.isfinite(noisy[1::2, 0]).all()
    assert (noisy[:, 1] == 3.0).all()
