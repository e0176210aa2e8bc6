import numpy as np
import pytest

from hhfit.errors import InputError
from hhfit.prior import Marginal, Prior

KINDS = [("uniform", -1.0, 3.0), ("log-uniform", 0.01, 20.0), ("normal", 2.0, 0.5), ("log-normal", 3.0, 0.7)]


def mixed():
    return Prior(tuple(kind for kind, _, _ in KINDS), ("1",) * 4, tuple(Marginal(*numbers) for numbers in KINDS))


def test_cube_and_parameters_are_each_others_inverse():
    prior = mixed()
    u = np.random.default_rng(0).random((1000, 4))
    np.testing.assert_allclose(prior.to_cube(prior.from_cube(u)), u, atol=1e-9)


def test_every_point_of_the_closed_cube_lies_inside_the_prior():
    prior = mixed()
    u = np.array([np.zeros(4), np.ones(4), np.full(4, 1 - 1e-16), np.full(4, 1e-300)])
    assert prior.contains(prior.from_cube(u)).all()


@pytest.mark.parametrize("numbers", KINDS, ids=[kind for kind, _, _ in KINDS])
def test_density_is_the_slope_of_the_map_to_the_cube(numbers):
    marginal = Marginal(*numbers)
    theta = marginal.from_cube(np.linspace(0.05, 0.95, 50))
    step = 1e-6 * np.abs(theta)
    slope = (marginal.to_cube(theta + step) - marginal.to_cube(theta - step)) / (2 * step)
    np.testing.assert_allclose(np.exp(marginal.log_prob(theta)), slope, rtol=1e-5)


def test_density_is_zero_outside():
    prior = Prior(("a", "b"), ("1", "1"), (Marginal("uniform", 0.0, 1.0), Marginal("log-uniform", 1.0, 2.0)))
    assert prior.contains(np.array([[0.5, 1.5], [1.1, 1.5], [0.5, 0.5], [0.5, -1.0]])).tolist() == [True] + 3 * [False]


def test_samples_follow_the_prior():
    from scipy import stats

    u = mixed().to_cube(mixed().sample(2000, seed=3))
    # four KS tests at 1e-3 each: false alarm below 0.4 %, and the seed is fixed
    assert all(stats.kstest(u[:, p], "uniform").pvalue > 1e-3 for p in range(4))


def correlated(rho=0.8):
    marginals = (Marginal("normal", 1.0, 2.0), Marginal("normal", -1.0, 0.5))
    return Prior(("a", "b"), ("1", "1"), marginals, np.array([[1, rho], [rho, 1]]))


def test_normal_marginals_with_a_correlation_are_a_multivariate_normal():
    from scipy import stats

    prior = correlated()
    covariance = np.array([[4.0, 0.8], [0.8, 0.25]])
    theta = prior.sample(20_000, seed=1)
    np.testing.assert_allclose(np.cov(theta.T), covariance, rtol=0.05)
    exact = stats.multivariate_normal([1.0, -1.0], covariance).logpdf(theta[:100])
    np.testing.assert_allclose(prior.log_prob(theta[:100]), exact, rtol=1e-9)


def test_correlated_cube_is_uniform_and_comes_back():
    from scipy import stats

    prior = correlated()
    u = np.random.default_rng(0).random((2000, 2))
    np.testing.assert_allclose(prior.to_cube(prior.from_cube(u)), u, atol=1e-7)
    theta = np.random.default_rng(1).multivariate_normal([1.0, -1.0], [[4.0, 0.8], [0.8, 0.25]], 4000)
    back = prior.to_cube(theta)
    assert min(stats.kstest(back[:, p], "uniform").pvalue for p in range(2)) > 1e-3
    assert abs(np.corrcoef(back.T)[0, 1]) < 0.06


def test_correlation_of_other_marginals_integrates_to_one():
    marginals = (Marginal("uniform", 0.0, 1.0), Marginal("log-uniform", 1.0, 3.0))
    prior = Prior(("a", "b"), ("1", "1"), marginals, np.array([[1, 0.5], [0.5, 1]]))
    at = (np.arange(400) + 0.5) / 400
    grid = np.stack(np.meshgrid(at, 1 + 2 * at), axis=-1).reshape(-1, 2)
    assert np.exp(prior.log_prob(grid)).mean() * 2 == pytest.approx(1.0, abs=0.01)
    assert (prior.to_cube(np.array([[1.1, 2.0]])) == -1).all()


@pytest.mark.parametrize("wrong", [[[1, 0.5], [0.4, 1]], [[1, 1.5], [1.5, 1]], [[2, 0], [0, 1]]])
def test_what_is_no_correlation_is_refused(wrong):
    with pytest.raises(InputError, match="positive definite"):
        Prior(("a", "b"), ("1", "1"), (Marginal("normal", 0.0, 1.0),) * 2, np.array(wrong))
